/* Declarations of DeepStream's nvdsinfer.h that the parser uses; written for the tests, from its documentation. */
#pragma once
#include <stdint.h>

#define NVDSINFER_MAX_DIMS 8

typedef struct {
    unsigned int numDims;
    unsigned int d[NVDSINFER_MAX_DIMS];
    unsigned int numElements; /* without the batch */
} NvDsInferDims;

typedef enum { FLOAT = 0, HALF = 1, INT8 = 2, INT32 = 3 } NvDsInferDataType;

typedef struct {
    NvDsInferDataType dataType;
    union {
        NvDsInferDims inferDims;
        NvDsInferDims dims; /* deprecated */
    };
    int bindingIndex;
    const char* layerName;
    void* buffer; /* for a parser, the output of one object; not valid in NvDsInferTensorMeta */
    int isInput;
} NvDsInferLayerInfo;

typedef struct {
    unsigned int width;
    unsigned int height;
    unsigned int channels;
} NvDsInferNetworkInfo;

typedef struct {
    unsigned int attributeIndex;
    unsigned int attributeValue;
    float attributeConfidence;
    char* attributeLabel; /* from strdup */
} NvDsInferAttribute;

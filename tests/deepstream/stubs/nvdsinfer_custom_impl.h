/* Declarations of DeepStream's nvdsinfer_custom_impl.h that the parser uses; written for the tests, from its
 * documentation. */
#pragma once
#include <string>
#include <vector>

#include "nvdsinfer.h"

typedef bool (*NvDsInferClassiferParseCustomFunc)(std::vector<NvDsInferLayerInfo> const& outputLayersInfo,
                                                  NvDsInferNetworkInfo const& networkInfo, float classifierThreshold,
                                                  std::vector<NvDsInferAttribute>& attrList, std::string& descString);

/* Fails to compile where the function is of another type. */
#define CHECK_CUSTOM_CLASSIFIER_PARSE_FUNC_PROTOTYPE(function) \
    __attribute__((unused)) static NvDsInferClassiferParseCustomFunc const check_of_##function = function;

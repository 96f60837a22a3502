/* Declarations of DeepStream's nvdsmeta.h that the parser uses, in its order; written for the tests, from its
 * documentation. The real NvDsObjectMeta has more members between these. */
#pragma once
#include <gst/gst.h>

typedef enum {
    NVDS_INVALID_META = -1,
    NVDS_BATCH_META = 1,
    NVDS_FRAME_META,
    NVDS_OBJ_META,
    NVDS_DISPLAY_META,
    NVDS_CLASSIFIER_META,
    NVDS_LABEL_INFO_META,
    NVDS_USER_META,
    NVDS_PAYLOAD_META,
    NVDS_EVENT_MSG_META,
    NVDS_OPTICAL_FLOW_META,
    NVDS_LATENCY_MEASUREMENT_META,
    NVDSINFER_TENSOR_OUTPUT_META
} NvDsMetaType;

typedef struct _NvDsBaseMeta {
    struct _NvDsBatchMeta* batch_meta;
    NvDsMetaType meta_type;
    void* uContext;
    gpointer (*copy_func)(gpointer data, gpointer user_data);
    void (*release_func)(gpointer data, gpointer user_data);
} NvDsBaseMeta;

typedef struct _NvDsUserMeta {
    NvDsBaseMeta base_meta;
    void* user_meta_data;
} NvDsUserMeta;

typedef struct _NvDsObjectMeta {
    NvDsBaseMeta base_meta;
    struct _NvDsObjectMeta* parent;
    gint unique_component_id;
    gint class_id;
    guint64 object_id;
    gfloat confidence;
    GList* obj_user_meta_list;
} NvDsObjectMeta;

/* Declarations of DeepStream's gstnvdsinfer.h that the parser uses; written for the tests, from its documentation. As
 * the real one, it includes nothing of GStreamer. */
G_BEGIN_DECLS

#include "nvdsinfer.h"

typedef struct {
    guint unique_id;
    guint num_output_layers;
    NvDsInferLayerInfo* output_layers_info;
    void** out_buf_ptrs_host; /* of one object */
    void** out_buf_ptrs_dev;
    gint gpu_id;
    void* priv_data;
    NvDsInferNetworkInfo network_info;
    gboolean maintain_aspect_ratio;
    gboolean symmetric_padding;
} NvDsInferTensorMeta;

G_END_DECLS

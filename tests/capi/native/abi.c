/* Prints the binary interface that this header and compiler make: sizes, offsets and constants. */
#include <hpe_edge.h>
#include <stdio.h>

#define TYPE(type) printf("size %s %zu\n", #type, sizeof(type))
#define FIELD(type, field) printf("offset %s.%s %zu\n", #type, #field, offsetof(type, field))
#define VALUE(name) printf("value %s %ld\n", #name, (long)(name))

int main(void) {
    VALUE(HPE_EDGE_ABI_VERSION);
    VALUE(HPE_OK);
    VALUE(HPE_INVALID_ARGUMENT);
    VALUE(HPE_INVALID_SPEC);
    VALUE(HPE_NO_CUDA);
    VALUE(HPE_CUDA_FAILED);
    VALUE(HPE_OUT_OF_MEMORY);
    VALUE(HPE_INTERNAL);
    VALUE(HPE_INVALID_MODEL);
    VALUE(HPE_FLOAT32);
    VALUE(HPE_FLOAT16);
    VALUE(HPE_UINT8);
    VALUE(HPE_UPRIGHT_NONE);
    VALUE(HPE_UPRIGHT_KEYPOINTS);
    VALUE(HPE_UPRIGHT_SECOND_PASS);
    VALUE(HPE_BGR);
    VALUE(HPE_RGB);
    VALUE(HPE_GRAY8);
    VALUE(HPE_NV12);
    VALUE(HPE_BGRA);
    VALUE(HPE_RGBA);
    VALUE(HPE_NV12_601_FULL);
    VALUE(HPE_NV12_709);
    VALUE(HPE_NV12_709_FULL);
    VALUE(HPE_SEARCH_LOOKS);
    TYPE(hpe_status);
    TYPE(hpe_type);
    TYPE(hpe_upright);
    TYPE(hpe_format);
    TYPE(hpe_spec_info);
    FIELD(hpe_spec_info, architecture);
    FIELD(hpe_spec_info, input_name);
    FIELD(hpe_spec_info, input_size);
    FIELD(hpe_spec_info, input_type);
    FIELD(hpe_spec_info, output_count);
    FIELD(hpe_spec_info, upright);
    FIELD(hpe_spec_info, margins);
    FIELD(hpe_spec_info, sigma_limit_deg);
    TYPE(hpe_frame);
    FIELD(hpe_frame, data);
    FIELD(hpe_frame, row_stride_bytes);
    FIELD(hpe_frame, chroma);
    FIELD(hpe_frame, chroma_row_stride_bytes);
    FIELD(hpe_frame, width);
    FIELD(hpe_frame, height);
    FIELD(hpe_frame, format);
    TYPE(hpe_output);
    FIELD(hpe_output, data);
    FIELD(hpe_output, columns);
    FIELD(hpe_output, row_stride);
    TYPE(hpe_poses);
    FIELD(hpe_poses, angles_deg);
    FIELD(hpe_poses, sigma_deg);
    FIELD(hpe_poses, rotation);
    return 0;
}

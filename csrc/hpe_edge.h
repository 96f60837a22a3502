/* hpe_edge's C interface: from a frame and face boxes to the network's input, and from its outputs to head poses.
 *
 * The network itself is run by the caller, with ONNX Runtime, TensorRT or another library. One image:
 *
 *     hpe_spec_read           the model's spec, once
 *     hpe_turns_from_keypoints, where the spec says so and key points are known
 *     hpe_crop_normalize      frame and boxes -> the network's input
 *     hpe_stretch             dark and flat crops to full contrast
 *     (the network)
 *     hpe_decode              its outputs -> angles, sigma, rotations
 *     hpe_undo_turns          where crops were turned
 *     hpe_second_pass         the faces to estimate once more, where the spec says so
 *     hpe_search_turns, hpe_take_looks  the doubtful ones, all around, where the spec says so
 *
 * docs/c_interface.md describes it; examples/c_interface is a whole program.
 *
 * Conventions. Boxes: x1 y1 x2 y2 in pixels, x to the right, y down, x2 and y2 exclusive, from chin to eyebrows.
 * Angles: yaw, pitch, roll in degrees; yaw > 0: the face turns to the left of the image; pitch > 0: it looks up; roll >
 * 0: it tilts clockwise in the image. Rotations: row-major 3x3, from the head to the camera's frame of OpenCV (x right,
 * y down, z away from the camera), Rx(-pitch) Ry(yaw) Rz(roll).
 *
 * Errors. A function that can fail returns HPE_OK or another hpe_status; hpe_last_error then says what was wrong, what
 * was got and what to do. No exception leaves the library, and after a failure nothing was written to the results.
 *
 * Memory. The caller owns all arrays. Arrays are packed unless a stride is given, and aligned to their elements. The
 * library keeps no pointer after a call, but for hpe_spec.
 *
 * Threads. All functions may be called from any thread at the same time. A spec never changes, so threads may share it;
 * only hpe_spec_free must come last. Two calls must not write the same array.
 *
 * C99 and C++. Before version 1.0 the binary interface may change with HPE_EDGE_ABI_VERSION, which the library's soname
 * holds.
 */
#ifndef HPE_EDGE_H
#define HPE_EDGE_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) && defined(HPE_EDGE_BUILDING)
#define HPE_API __declspec(dllexport)
#elif defined(_WIN32) || !defined(__GNUC__)
#define HPE_API
#else
#define HPE_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define HPE_EDGE_ABI_VERSION 1

typedef int32_t hpe_status;
enum {
    HPE_OK = 0,
    HPE_INVALID_ARGUMENT = 1, /* a null pointer, a frame, box, size or other value that is not valid */
    HPE_INVALID_SPEC = 2,     /* not a spec, of a newer format, or with a field that is not valid */
    HPE_NO_CUDA = 3,          /* a build without CUDA, or a machine without a usable GPU */
    HPE_CUDA_FAILED = 4,      /* CUDA refused a launch */
    HPE_OUT_OF_MEMORY = 5,
    HPE_INTERNAL = 6 /* a fault of the library; please report it with its message */
};

/* The library's version, such as "0.1.0". */
HPE_API const char* hpe_version(void);

/* HPE_EDGE_ABI_VERSION of the library; compare it with the header's. */
HPE_API int32_t hpe_abi_version(void);

/* The message of the calling thread's last failure, UTF-8; empty before the first. Valid until its next failure. */
HPE_API const char* hpe_last_error(void);

/* ---- the model's spec ----------------------------------------------------------------------------------------- */

/* What is known of a model: input, crop, outputs, decode. */
typedef struct hpe_spec hpe_spec;

typedef int32_t hpe_type;
enum { HPE_FLOAT32 = 0, HPE_FLOAT16 = 1, HPE_UINT8 = 2 };

typedef int32_t hpe_upright;
enum {
    HPE_UPRIGHT_NONE = 0,       /* crops are not turned */
    HPE_UPRIGHT_KEYPOINTS = 1,  /* crops are turned by the faces' key points, where these are known */
    HPE_UPRIGHT_SECOND_PASS = 2 /* likewise, and hpe_second_pass finds those to estimate once more */
};

typedef struct hpe_spec_info {
    const char* architecture; /* names are UTF-8 and live as long as the spec */
    const char* input_name;
    int32_t input_size; /* the input is [N, 3, input_size, input_size] */
    hpe_type input_type;
    int32_t output_count; /* of the network, see hpe_spec_output */
    hpe_upright upright;
    double margins[4];      /* of the crop: left, top, right, bottom, as fractions of the box's width and height */
    double sigma_limit_deg; /* a pose is doubtful if the root mean square of its three sigmas exceeds it; infinite for
                               no limit */
} hpe_spec_info;

/* Reads a spec.
 *
 * json, length: UTF-8 text of `length` bytes. Either the spec, as the ONNX file's metadata hold it under
 *     HPE_SPEC_METADATA_KEY, or the description beside a TensorRT engine (<engine>.json), which holds the spec.
 * spec: receives it; free it with hpe_spec_free.
 */
HPE_API hpe_status hpe_spec_read(const char* json, size_t length, hpe_spec** spec);
#define HPE_SPEC_METADATA_KEY "hpe_edge.spec"

/* Copies a spec with other margins (left, top, right, bottom), for boxes that fit the face in another way. */
HPE_API hpe_status hpe_spec_with_margins(const hpe_spec* spec, const double margins[4], hpe_spec** copy);

/* Frees a spec; a null pointer is fine. */
HPE_API void hpe_spec_free(hpe_spec* spec);

/* Describes a spec. info_bytes is sizeof(hpe_spec_info), so that later versions may have more fields. */
HPE_API hpe_status hpe_spec_describe(const hpe_spec* spec, hpe_spec_info* info, size_t info_bytes);

/* Names output `index` of the network, in their order, and the columns that hpe_decode reads of it at least. `name` and
 * `columns` may be null. */
HPE_API hpe_status hpe_spec_output(const hpe_spec* spec, int32_t index, const char** name, int32_t* columns);

/* ---- frame and boxes to the network's input -------------------------------------------------------------------- */

typedef int32_t hpe_format;
enum {
    HPE_BGR = 0,   /* [height, width, 3] */
    HPE_RGB = 1,   /* [height, width, 3] */
    HPE_GRAY8 = 2, /* [height, width] */
    HPE_NV12 = 3,  /* Y [height, width] and chroma [height / 2, width / 2, 2], U before V; BT.601, limited range */
    HPE_BGRA = 4,  /* [height, width, 4]; the fourth byte is not read, so that it is BGRx too */
    HPE_RGBA = 5,  /* likewise */
    HPE_NV12_601_FULL = 6, /* as HPE_NV12, full range */
    HPE_NV12_709 = 7,      /* BT.709, limited range */
    HPE_NV12_709_FULL = 8  /* BT.709, full range */
};

/* Bytes of a frame. Sides are 1 to 65536 pixels. A row stride is at least the row's bytes, or negative for a frame
 * whose rows are stored bottom-up; `data` is the upper row all the same. */
typedef struct hpe_frame {
    const uint8_t* data;
    int64_t row_stride_bytes;
    const uint8_t* chroma; /* null but for NV12 */
    int64_t chroma_row_stride_bytes;
    int32_t width;
    int32_t height;
    hpe_format format;
} hpe_frame;

/* Crops boxes and converts them to the network's input, in one pass.
 *
 * boxes: [count, 4]; finite, x1 < x2, y1 < y2, within a million pixels; they may leave the frame.
 * turns_deg: [count], turns of the crops in degrees, above 0 clockwise, so that faces of that roll stand upright; null
 *     for none.
 * input: [count, 3, input_size, input_size] of the spec's input_type; input_bytes is the room there.
 */
HPE_API hpe_status hpe_crop_normalize(const hpe_spec* spec, const hpe_frame* frame, const float* boxes,
                                      const float* turns_deg, int32_t count, void* input, size_t input_bytes);

/* As hpe_crop_normalize, by homographies [count, 3, 3], row-major, from the input's picture, whose corners are (0, 0)
 * and (input_size, input_size), to the frame's pixels. The spec's margins play no part. */
HPE_API hpe_status hpe_warp_normalize(const hpe_spec* spec, const hpe_frame* frame, const double* homographies,
                                      int32_t count, void* input, size_t input_bytes);

/* Stretches crops whose levels span fewer than 64 of 256 to full contrast, in place, as PoseEngine does: networks err
 * on dark and flat faces. Others, and what lies outside the frame, are not touched.
 *
 * input: [count, 3, input_size, input_size], as hpe_crop_normalize or hpe_warp_normalize wrote it.
 * stretched: [count]; receives 1 for each crop that was stretched and 0 for the others; may be null.
 */
HPE_API hpe_status hpe_stretch(const hpe_spec* spec, void* input, size_t input_bytes, int32_t count,
                               uint8_t* stretched);

/* ---- the network's outputs to poses ---------------------------------------------------------------------------- */

/* One output of the network: float32 [count, columns]; rows are row_stride floats apart. */
typedef struct hpe_output {
    const float* data;
    int64_t columns;
    int64_t row_stride;
} hpe_output;

/* Arrays of poses. A face whose outputs hold a NaN is NaN throughout. */
typedef struct hpe_poses {
    float* angles_deg; /* [count, 3], yaw, pitch, roll */
    float*
        sigma_deg; /* [count, 3], their standard deviations, calibrated; NaN where the network gives no distribution */
    float* rotation; /* [count, 3, 3] */
} hpe_poses;

/* Decodes the outputs of `count` faces.
 *
 * outputs: [output_count], in the spec's order.
 */
HPE_API hpe_status hpe_decode(const hpe_spec* spec, const hpe_output* outputs, int32_t output_count, int32_t count,
                              const hpe_poses* poses);

/* ---- upright crops --------------------------------------------------------------------------------------------- */

/* Computes the turns of crops from key points.
 *
 * keypoints: [count, 5, 2], x y in pixels of the frame: right eye (on the left of the picture), left eye, nose, right
 * and left corner of the mouth. NaN for unknown ones: a face without both eyes and corners gets the turn 0. turns_deg:
 * [count].
 */
HPE_API hpe_status hpe_turns_from_keypoints(const float* keypoints, int32_t count, float* turns_deg);

/* Turns the poses of turned crops back to the frame, in place; faces of turn 0 are not touched, nor is sigma. */
HPE_API hpe_status hpe_undo_turns(const float* turns_deg, int32_t count, const hpe_poses* poses);

/* Finds the faces that are still rolled by more than 15 degrees in their crops. The spec's HPE_UPRIGHT_SECOND_PASS
 * means to estimate these once more: crop their boxes by the new turns, decode, undo the turns, replace their poses.
 *
 * turns_deg: [count], of the first pass; null for none.
 * poses: [count] of the first pass, whose turns were undone. Only rotation is read.
 * again, again_turns_deg: [count]; receive the faces' indices, rising, and their new turns.
 * again_count: receives their number.
 */
HPE_API hpe_status hpe_second_pass(const float* turns_deg, int32_t count, const hpe_poses* poses, int32_t* again,
                                   float* again_turns_deg, int32_t* again_count);

enum { HPE_SEARCH_LOOKS = 7 };

/* Finds the doubtful faces, whose sigma (root mean square) exceeds 8 degrees, and the turns of more crops of each, all
 * around: crop their boxes by these, decode, undo the turns, estimate those once more that hpe_second_pass names, then
 * call hpe_take_looks. A spec without HPE_UPRIGHT_SECOND_PASS or without calibrated sigma has none.
 *
 * turns_deg: [count], of the first pass; null for none.
 * poses: [count], after the second pass. Only sigma is read.
 * doubtful: [count]; receives the faces' indices, rising.
 * look_turns_deg: [count, HPE_SEARCH_LOOKS]; row k receives the turns of doubtful face k.
 * doubtful_count: receives their number.
 */
HPE_API hpe_status hpe_search_turns(const hpe_spec* spec, const float* turns_deg, int32_t count, const hpe_poses* poses,
                                    int32_t* doubtful, float* look_turns_deg, int32_t* doubtful_count);

/* Replaces the pose of each doubtful face by the surest look's, where that is clearly surer, differs, and another look
 * agrees.
 *
 * doubtful: [doubtful_count] of hpe_search_turns, indices of poses [count].
 * looks: [doubtful_count, HPE_SEARCH_LOOKS].
 * taken: [doubtful_count]; receives the look that was taken, or -1; may be null.
 */
HPE_API hpe_status hpe_take_looks(const int32_t* doubtful, int32_t doubtful_count, const hpe_poses* looks,
                                  int32_t count, const hpe_poses* poses, int32_t* taken);

/* ---- on an NVIDIA GPU ------------------------------------------------------------------------------------------ */

/* These put work on a stream (a cudaStream_t) of the current device and return; they allocate nothing and wait for
 * nothing, so that a CUDA graph can capture them. A launch takes 4096 faces at most. Arrays are memory that the device
 * reads or writes when the stream gets there. A build without nvcc has them too; they fail with HPE_NO_CUDA. */

/* Counts the usable devices; HPE_NO_CUDA, with the reason, where there is none. */
HPE_API hpe_status hpe_cuda_devices(int32_t* count);

/* Bytes of the record of one face, for boxes and for homographies. */
HPE_API size_t hpe_cuda_box_record_bytes(void);
HPE_API size_t hpe_cuda_warp_record_bytes(void);

/* Writes face records [count] into the host's memory, aligned to 8 bytes. The frame's bytes are the device's. Copy the
 * records to the device before hpe_cuda_crop_normalize; faces of several frames, of any formats and sizes, may share a
 * launch. For boxes and turns_deg see hpe_crop_normalize. */
HPE_API hpe_status hpe_cuda_box_records(const hpe_spec* spec, const hpe_frame* frame, const float* boxes,
                                        const float* turns_deg, int32_t count, void* records, size_t records_bytes);

/* As hpe_cuda_box_records, by homographies; for hpe_cuda_warp_normalize. */
HPE_API hpe_status hpe_cuda_warp_records(const hpe_spec* spec, const hpe_frame* frame, const double* homographies,
                                         int32_t count, void* records, size_t records_bytes);

/* Crops the faces of `count` records. records and input are the device's. */
HPE_API hpe_status hpe_cuda_crop_normalize(const hpe_spec* spec, const void* records, int32_t count, void* input,
                                           size_t input_bytes, void* stream);
HPE_API hpe_status hpe_cuda_warp_normalize(const hpe_spec* spec, const void* records, int32_t count, void* input,
                                           size_t input_bytes, void* stream);

/* As hpe_stretch, of inputs of up to 512 pixels a side; larger ones are not touched. input and stretched are the
 * device's; stretched [count] receives 1 or 0, and must not be null. */
HPE_API hpe_status hpe_cuda_stretch(const hpe_spec* spec, void* input, size_t input_bytes, int32_t count,
                                    float* stretched, void* stream);

/* As hpe_decode; the arrays that outputs and poses point to are the device's, the two structs the host's. */
HPE_API hpe_status hpe_cuda_decode(const hpe_spec* spec, const hpe_output* outputs, int32_t output_count, int32_t count,
                                   const hpe_poses* poses, void* stream);

#ifdef __cplusplus
}
#endif

#endif

// hpe_edge.h on an NVIDIA GPU.
#include <cstdint>

#include "capi/c_api.h"
#include "crop/place_faces.h"
#include "cuda/cuda_device.h"
#include "cuda/kernel_launch.h"

using namespace hpe;

namespace {

// Tiles of all faces, and the blocks of a face, are counted in ints.
constexpr int kMostLaunched = 4096;

void check_launch(int32_t count) {
    if (count < 0 || count > kMostLaunched)
        fail(HPE_INVALID_ARGUMENT, "count must be 0..%d faces of a launch, got %d; split larger batches", kMostLaunched,
             count);
}

FrameRecord frame_record(const Model& model, const hpe_frame& frame) {
    const Frame view = check_frame(&frame);
    FrameRecord record{};
    record.data = reinterpret_cast<uintptr_t>(view.data);
    record.chroma = reinterpret_cast<uintptr_t>(view.chroma);
    record.row_stride_bytes = view.row_stride_bytes;
    record.chroma_row_stride_bytes = view.chroma_row_stride_bytes;
    record.width = view.width;
    record.height = view.height;
    record.format = static_cast<int32_t>(view.format);
    record.swap_colors = swaps_colors(model, frame);
    record.yuv = static_cast<int16_t>(view.yuv);
    return record;
}

template <typename Face>
Face* check_records(void* records, size_t records_bytes, int32_t count) {
    check_room(records_bytes, count, sizeof(Face), "records");
    check_address(records, alignof(Face), "records");
    return static_cast<Face*>(records);
}

void check_cuda() {
    static const std::string reason = probe_cuda().reason;
    if (!reason.empty())
        fail(HPE_NO_CUDA, "CUDA is not available (%s); install a driver, or a libhpe_edge that was built where nvcc is",
             reason.c_str());
}

template <typename Launch>
void launched(const Launch& launch) {
    try {
        launch();
    } catch (const std::runtime_error& refused) {
        fail(HPE_CUDA_FAILED, "CUDA refused the launch: %s", refused.what());
    }
}

template <typename Face>
hpe_status launch_faces(const hpe_spec* spec, const void* records, int32_t count, void* input, size_t input_bytes,
                        void* stream, void (*launch)(const CropPlan&, const Face*, int, void*, void*)) {
    return guarded([&] {
        const Model& model = check_spec(spec);
        check_launch(count);
        check_cuda();
        if (count == 0) return;
        check_address(records, alignof(Face), "records");
        check_input(model, input, input_bytes, count);
        launched([&] { launch(model.plan, static_cast<const Face*>(records), count, input, stream); });
    });
}

}  // namespace

hpe_status hpe_cuda_devices(int32_t* count) {
    return guarded([&] {
        check_pointer(count, "count");
        check_cuda();
        *count = static_cast<int32_t>(probe_cuda().devices.size());
    });
}

size_t hpe_cuda_box_record_bytes(void) {
    return sizeof(BoxFace);
}

size_t hpe_cuda_warp_record_bytes(void) {
    return sizeof(WarpFace);
}

hpe_status hpe_cuda_box_records(const hpe_spec* spec, const hpe_frame* frame, const float* boxes,
                                const float* turns_deg, int32_t count, void* records, size_t records_bytes) {
    return guarded([&] {
        const Model& model = check_spec(spec);
        check_count(count);
        check_frame(frame);
        if (count == 0) return;
        const Box* checked = check_boxes(boxes, count);
        const std::vector<Turn> turns = check_turns(turns_deg, count);
        BoxFace* to = check_records<BoxFace>(records, records_bytes, count);
        const FrameRecord record = frame_record(model, *frame);
        for (int32_t i = 0; i < count; ++i) {
            const Turn turn = turns.empty() ? Turn{1.0f, 0.0f} : turns[i];
            to[i] = BoxFace{record, place_box(record, checked[i], turn, model.plan.crop, model.plan.input.size)};
        }
    });
}

hpe_status hpe_cuda_warp_records(const hpe_spec* spec, const hpe_frame* frame, const double* homographies,
                                 int32_t count, void* records, size_t records_bytes) {
    return guarded([&] {
        const Model& model = check_spec(spec);
        check_count(count);
        check_frame(frame);
        if (count == 0) return;
        const Homography* checked = check_homographies(homographies, count);
        WarpFace* to = check_records<WarpFace>(records, records_bytes, count);
        const FrameRecord record = frame_record(model, *frame);
        for (int32_t i = 0; i < count; ++i)
            to[i] = WarpFace{record, place_view(checked[i], model.plan.input.size, model.plan.crop.antialias)};
    });
}

hpe_status hpe_cuda_crop_normalize(const hpe_spec* spec, const void* records, int32_t count, void* input,
                                   size_t input_bytes, void* stream) {
    return launch_faces<BoxFace>(spec, records, count, input, input_bytes, stream, launch_crop);
}

hpe_status hpe_cuda_warp_normalize(const hpe_spec* spec, const void* records, int32_t count, void* input,
                                   size_t input_bytes, void* stream) {
    return launch_faces<WarpFace>(spec, records, count, input, input_bytes, stream, launch_warp);
}

hpe_status hpe_cuda_stretch(const hpe_spec* spec, void* input, size_t input_bytes, int32_t count, float* stretched,
                            void* stream) {
    return guarded([&] {
        const Model& model = check_spec(spec);
        check_launch(count);
        check_cuda();
        if (count == 0) return;
        check_input(model, input, input_bytes, count);
        check_pointer(stretched, "stretched");
        launched([&] { launch_stretch(model.plan, input, count, stretched, stream); });
    });
}

hpe_status hpe_cuda_decode(const hpe_spec* spec, const hpe_output* outputs, int32_t output_count, int32_t count,
                           const hpe_poses* poses, void* stream) {
    return guarded([&] {
        const Model& model = check_spec(spec);
        check_launch(count);
        check_cuda();
        if (count == 0) return;
        HeadView heads[3]{};
        check_outputs(model, outputs, output_count, heads);
        const PoseArrays arrays = check_poses(poses);
        launched([&] { launch_decode(model.decode, heads, count, arrays, stream); });
    });
}

#include "capi/checks.h"

#include <cmath>

namespace hpe {
namespace {

constexpr float kMostCoordinate = 1e6f;
constexpr int kMostFrameSide = 1 << 16;

struct FormatRule {
    PixelFormat pixels;
    YuvRule yuv;
    int row_bytes;  // a pixel, of the first plane
};

constexpr FormatRule kFormats[] = {
    // by hpe_format
    {PixelFormat::kColor, YuvRule::kBt601, 3},    {PixelFormat::kColor, YuvRule::kBt601, 3},
    {PixelFormat::kGray8, YuvRule::kBt601, 1},    {PixelFormat::kNv12, YuvRule::kBt601, 1},
    {PixelFormat::kColor4, YuvRule::kBt601, 4},   {PixelFormat::kColor4, YuvRule::kBt601, 4},
    {PixelFormat::kNv12, YuvRule::kBt601Full, 1}, {PixelFormat::kNv12, YuvRule::kBt709, 1},
    {PixelFormat::kNv12, YuvRule::kBt709Full, 1},
};
static_assert(sizeof kFormats / sizeof *kFormats == HPE_NV12_709_FULL + 1, "one rule for each format");

void check_stride(int64_t stride, int64_t row_bytes, const char* name) {
    const int64_t most = int64_t{1} << 40;  // so that no offset of a row overflows
    if (!(stride <= most && stride >= -most && (stride >= row_bytes || stride <= -row_bytes)))
        fail(HPE_INVALID_ARGUMENT, "%s must be at least the %lld bytes of a row, or at most minus them, got %lld", name,
             static_cast<long long>(row_bytes), static_cast<long long>(stride));
}

}  // namespace

void check_address(const void* address, size_t alignment, const char* name) {
    if (!address) fail(HPE_INVALID_ARGUMENT, "%s must not be null", name);
    if (reinterpret_cast<uintptr_t>(address) % alignment)
        fail(HPE_INVALID_ARGUMENT, "%s must be aligned to %zu bytes, got address %p", name, alignment, address);
}

void check_count(int32_t count) {
    if (count < 0 || count > kMostFaces)
        fail(HPE_INVALID_ARGUMENT, "count must be 0..%d faces, got %d; split larger batches", kMostFaces, count);
}

void check_room(size_t bytes, int32_t faces, size_t face_bytes, const char* name) {
    const uint64_t needed = static_cast<uint64_t>(faces) * face_bytes;
    if (bytes < needed)
        fail(HPE_INVALID_ARGUMENT, "%s must have room for %d faces of %zu bytes, %llu, got %zu bytes", name, faces,
             face_bytes, static_cast<unsigned long long>(needed), bytes);
}

size_t input_alignment(const Model& model) {
    return model.plan.output == OutputType::kFloat32 ? 4 : model.plan.output == OutputType::kFloat16 ? 2 : 1;
}

size_t input_face_bytes(const Model& model) {
    const size_t size = static_cast<size_t>(model.plan.input.size);
    return 3 * size * size * input_alignment(model);
}

Frame check_frame(const hpe_frame* frame) {
    check_pointer(frame, "frame");
    if (frame->format < HPE_BGR || frame->format > HPE_NV12_709_FULL)
        fail(HPE_INVALID_ARGUMENT, "frame.format must be one of hpe_format, %d..%d, got %d", HPE_BGR, HPE_NV12_709_FULL,
             frame->format);
    const FormatRule& rule = kFormats[frame->format];
    if (frame->width < 1 || frame->height < 1 || frame->width > kMostFrameSide || frame->height > kMostFrameSide)
        fail(HPE_INVALID_ARGUMENT, "the frame must be 1..%d pixels on each side, got %d x %d", kMostFrameSide,
             frame->width, frame->height);
    check_pointer(frame->data, "frame.data");
    check_stride(frame->row_stride_bytes, int64_t{frame->width} * rule.row_bytes, "frame.row_stride_bytes");
    Frame view{};
    view.data = frame->data;
    view.row_stride_bytes = static_cast<ptrdiff_t>(frame->row_stride_bytes);
    view.width = frame->width;
    view.height = frame->height;
    view.format = rule.pixels;
    view.yuv = rule.yuv;
    if (rule.pixels == PixelFormat::kNv12) {
        if (frame->width % 2 || frame->height % 2)
            fail(HPE_INVALID_ARGUMENT, "an NV12 frame has even sides, got %d x %d", frame->width, frame->height);
        check_pointer(frame->chroma, "frame.chroma");
        check_stride(frame->chroma_row_stride_bytes, frame->width, "frame.chroma_row_stride_bytes");
        view.chroma = frame->chroma;
        view.chroma_row_stride_bytes = static_cast<ptrdiff_t>(frame->chroma_row_stride_bytes);
    }
    return view;
}

bool swaps_colors(const Model& model, const hpe_frame& frame) {
    return (frame.format == HPE_RGB || frame.format == HPE_RGBA) != model.rgb;
}

const Box* check_boxes(const float* boxes, int32_t count) {
    if (count == 0) return nullptr;
    check_pointer(boxes, "boxes");
    for (int32_t i = 0; i < count; ++i) {
        const float* b = boxes + 4 * static_cast<ptrdiff_t>(i);
        bool sound = b[0] < b[2] && b[1] < b[3];
        for (int k = 0; k < 4; ++k) sound = sound && std::fabs(b[k]) <= kMostCoordinate;
        if (!sound)
            fail(HPE_INVALID_ARGUMENT,
                 "box %d must be finite, within %.0f pixels and have x1 < x2 and y1 < y2 (x1 y1 x2 y2, not x y width "
                 "height), got %g %g %g %g",
                 i, static_cast<double>(kMostCoordinate), static_cast<double>(b[0]), static_cast<double>(b[1]),
                 static_cast<double>(b[2]), static_cast<double>(b[3]));
    }
    return reinterpret_cast<const Box*>(boxes);
}

const Homography* check_homographies(const double* homographies, int32_t count) {
    if (count == 0) return nullptr;
    check_pointer(homographies, "homographies");
    for (ptrdiff_t i = 0; i < 9 * static_cast<ptrdiff_t>(count); ++i)
        if (!std::isfinite(homographies[i]))
            fail(HPE_INVALID_ARGUMENT, "homography %d holds a value that is not finite", static_cast<int>(i / 9));
    return reinterpret_cast<const Homography*>(homographies);
}

std::vector<Turn> check_turns(const float* turns_deg, int32_t count) {
    std::vector<Turn> turns;
    if (!turns_deg || count == 0) return turns;
    check_pointer(turns_deg, "turns_deg");
    turns.reserve(static_cast<size_t>(count));
    for (int32_t i = 0; i < count; ++i) {
        if (!std::isfinite(turns_deg[i]))
            fail(HPE_INVALID_ARGUMENT, "turn %d must be finite, got %g; 0 is no turn", i,
                 static_cast<double>(turns_deg[i]));
        turns.push_back(turn_of(turns_deg[i]));
    }
    return turns;
}

PoseArrays check_poses(const hpe_poses* poses) {
    check_pointer(poses, "poses");
    check_pointer(poses->angles_deg, "poses.angles_deg");
    check_pointer(poses->sigma_deg, "poses.sigma_deg");
    check_pointer(poses->rotation, "poses.rotation");
    return {poses->angles_deg, poses->sigma_deg, poses->rotation};
}

void check_outputs(const Model& model, const hpe_output* outputs, int32_t output_count, HeadView heads[3]) {
    if (output_count != static_cast<int32_t>(model.outputs.size()))
        fail(HPE_INVALID_ARGUMENT, "the spec has %zu outputs, got %d", model.outputs.size(), output_count);
    check_pointer(outputs, "outputs");
    for (size_t i = 0; i < model.outputs.size(); ++i) {
        const hpe_output& o = outputs[i];
        if (model.columns[i] == 0) continue;  // nothing is read of it
        if (o.columns < model.columns[i])
            fail(HPE_INVALID_ARGUMENT, "output '%s' must have %d columns or more, got %lld", model.outputs[i].c_str(),
                 model.columns[i], static_cast<long long>(o.columns));
        if (o.row_stride < o.columns || o.row_stride > (int64_t{1} << 40))
            fail(HPE_INVALID_ARGUMENT,
                 "row_stride of output '%s' must be its %lld columns or more, in floats, got %lld",
                 model.outputs[i].c_str(), static_cast<long long>(o.columns), static_cast<long long>(o.row_stride));
        check_pointer(o.data, "outputs.data");
    }
    for (size_t h = 0; h < model.heads.size(); ++h) {
        const hpe_output& o = outputs[model.heads[h].output];
        heads[h] = {o.data + model.heads[h].column, static_cast<ptrdiff_t>(o.row_stride)};
    }
}

}  // namespace hpe

// The launches, on a GPU's stream or emulated on the CPU. Arguments were checked in Python.
#pragma once

#include "common/half.h"
#include "crop/face_record.h"
#include "decode/decode.h"
#include "decode/heatmap.h"

namespace hpe {

// How the network wants its input written.
// [N, 3, size, size], or for kFloat16Hwc8 [N, size, size, 8] with five channels of 0.
enum class OutputType { kFloat32, kFloat16, kUint8, kFloat16Hwc8 };

template <typename Typed>
void with_output_type(OutputType type, void* out, const Typed& typed) {
    switch (type) {
        case OutputType::kFloat32:
            return typed(static_cast<float*>(out));
        case OutputType::kFloat16:
            return typed(static_cast<Half*>(out));
        case OutputType::kUint8:
            return typed(static_cast<uint8_t*>(out));
        case OutputType::kFloat16Hwc8:
            return typed(static_cast<HalfPixel*>(out));
    }
}

struct CropPlan {
    CropRule crop;
    InputRule input;  // swap_colors comes from each face's frame
    OutputType output;
    // With antialiasing few faces are cut into thin tiles, so that there are as many as keep a GPU busy; many into
    // thick ones, which share the taps of columns.
    int tiles_wanted = 512;
};

struct DecodePlan {
    DecodeKind kind;
    BinGrid grid[3];   // of bins
    float factors[3];  // of angles; the signs of a rotation's triple
};

// Everything pointed at is memory that the GPU reads or writes when the stream gets there. They throw
// std::runtime_error where CUDA refuses the launch. `stream` is a cudaStream_t.
void launch_crop(const CropPlan& plan, const BoxFace* faces, int count, void* out, void* stream);
void launch_warp(const CropPlan& plan, const WarpFace* faces, int count, void* out, void* stream);
// Stretches dark and flat crops, as the launches above wrote them; `stretched` [count] receives 1 or 0.
void launch_stretch(const CropPlan& plan, void* crops, int count, float* stretched, void* stream);
void launch_decode(const DecodePlan& plan, const HeadView heads[3], int count, const PoseArrays& out, void* stream);
// As find_peaks.
void launch_peaks(const HeatmapPlan& plan, const float* maps, ptrdiff_t row_stride, int faces, float* out,
                  void* stream);

// The same bodies on the CPU, over its own memory; see launch.h.
void emulate_crop(const CropPlan& plan, const BoxFace* faces, int count, void* out, bool backwards = false);
void emulate_warp(const CropPlan& plan, const WarpFace* faces, int count, void* out, bool backwards = false);
void emulate_stretch(const CropPlan& plan, void* crops, int count, float* stretched, bool backwards = false);
void emulate_decode(const DecodePlan& plan, const HeadView heads[3], int count, const PoseArrays& out,
                    bool backwards = false);
void emulate_peaks(const HeatmapPlan& plan, const float* maps, ptrdiff_t row_stride, int faces, float* out,
                   bool backwards = false);

}  // namespace hpe

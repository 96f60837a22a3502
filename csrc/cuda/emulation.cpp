// The launches on the CPU: for tests on machines without a GPU, not for speed.
#include "cuda/kernel_bodies.h"
#include "cuda/launch.h"

namespace hpe {

void emulate_crop(const CropPlan& plan, const BoxFace* faces, int count, void* out, bool backwards) {
    run_crop(plan, faces, count, out, Emulate{backwards});
}

void emulate_warp(const CropPlan& plan, const WarpFace* faces, int count, void* out, bool backwards) {
    run_warp(plan, faces, count, out, Emulate{backwards});
}

void emulate_stretch(const CropPlan& plan, void* crops, int count, float* stretched, bool backwards) {
    run_stretch(plan, crops, count, stretched, Emulate{backwards});
}

void emulate_decode(const DecodePlan& plan, const HeadView heads[3], int count, const PoseArrays& out, bool backwards) {
    run_decode(plan, heads, count, out, Emulate{backwards});
}

void emulate_peaks(const HeatmapPlan& plan, const float* maps, ptrdiff_t row_stride, int faces, float* out,
                   bool backwards) {
    run_peaks(plan, maps, row_stride, faces, out, Emulate{backwards});
}

}  // namespace hpe

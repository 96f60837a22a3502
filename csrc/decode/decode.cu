// decode on a GPU; the work is in decode_kernel.h.
#include "cuda/cuda_launch.h"
#include "cuda/kernel_bodies.h"

namespace hpe {

void launch_decode(const DecodePlan& plan, const HeadView heads[3], int count, const PoseArrays& out, void* stream) {
    run_decode(plan, heads, count, out, Launch{stream});
}

void launch_peaks(const HeatmapPlan& plan, const float* maps, ptrdiff_t row_stride, int faces, float* out,
                  void* stream) {
    run_peaks(plan, maps, row_stride, faces, out, Launch{stream});
}

}  // namespace hpe

// crop_normalize and warp_normalize on a GPU; the work is in crop_kernel.h and warp_kernel.h.
#include "cuda/cuda_launch.h"
#include "cuda/kernel_bodies.h"

namespace hpe {

void launch_crop(const CropPlan& plan, const BoxFace* faces, int count, void* out, void* stream) {
    run_crop(plan, faces, count, out, Launch{stream});
}

void launch_warp(const CropPlan& plan, const WarpFace* faces, int count, void* out, void* stream) {
    run_warp(plan, faces, count, out, Launch{stream});
}

}  // namespace hpe

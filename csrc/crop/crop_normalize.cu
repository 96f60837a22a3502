// crop_normalize, warp_normalize and the stretch on a GPU; the work is in the files of kernels.
#include "cuda/cuda_launch.h"
#include "cuda/kernel_bodies.h"

namespace hpe {

void launch_crop(const CropPlan& plan, const BoxFace* faces, int count, void* out, void* stream) {
    run_crop(plan, faces, count, out, Launch{stream});
}

void launch_warp(const CropPlan& plan, const WarpFace* faces, int count, void* out, void* stream) {
    run_warp(plan, faces, count, out, Launch{stream});
}

void launch_stretch(const CropPlan& plan, void* crops, int count, float* stretched, void* stream) {
    run_stretch(plan, crops, count, stretched, Launch{stream});
}

}  // namespace hpe

// Stands in for the CUDA files: the launches run on the CPU, over its own memory.
#include "cuda/cuda_device.h"
#include "cuda/kernel_launch.h"

namespace hpe {

CudaProbe probe_cuda() {
    return {13000, {{"emulated", 9, 0, false}}, ""};
}

void launch_crop(const CropPlan& plan, const BoxFace* faces, int count, void* out, void*) {
    emulate_crop(plan, faces, count, out);
}

void launch_warp(const CropPlan& plan, const WarpFace* faces, int count, void* out, void*) {
    emulate_warp(plan, faces, count, out);
}

void launch_stretch(const CropPlan& plan, void* crops, int count, float* stretched, void*) {
    emulate_stretch(plan, crops, count, stretched);
}

void launch_decode(const DecodePlan& plan, const HeadView heads[3], int count, const PoseArrays& out, void*) {
    emulate_decode(plan, heads, count, out);
}

}  // namespace hpe

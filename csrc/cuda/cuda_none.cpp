// Stands in for the CUDA files in a build without nvcc.
#include <stdexcept>

#include "cuda/cuda_device.h"
#include "cuda/kernel_launch.h"

namespace hpe {
namespace {

const char* const kReason = "this build has no CUDA: nvcc was not found when it was compiled";

}  // namespace

CudaProbe probe_cuda() {
    return {0, {}, kReason};
}

void launch_crop(const CropPlan&, const BoxFace*, int, void*, void*) {
    throw std::runtime_error(kReason);
}

void launch_warp(const CropPlan&, const WarpFace*, int, void*, void*) {
    throw std::runtime_error(kReason);
}

void launch_stretch(const CropPlan&, void*, int, float*, void*) {
    throw std::runtime_error(kReason);
}

void launch_decode(const DecodePlan&, const HeadView[3], int, const PoseArrays&, void*) {
    throw std::runtime_error(kReason);
}

void launch_peaks(const HeatmapPlan&, const float*, ptrdiff_t, int, float*, void*) {
    throw std::runtime_error(kReason);
}

}  // namespace hpe

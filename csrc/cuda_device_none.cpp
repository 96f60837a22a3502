// Stands in for cuda_device.cu in a build without nvcc.
#include "cuda_device.h"

namespace hpe {

CudaProbe probe_cuda() {
    return {0, {}, "this build has no CUDA: nvcc was not found when it was compiled"};
}

}  // namespace hpe

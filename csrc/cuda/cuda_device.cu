#include "cuda/cuda_device.h"

#include <cuda_runtime.h>

namespace hpe {

CudaProbe probe_cuda() {
    CudaProbe probe{CUDART_VERSION, {}, ""};
    int count = 0;
    const cudaError_t found = cudaGetDeviceCount(&count);
    if (found != cudaSuccess) {
        // The error is remembered per thread; left there, the next CUDA call of the process would report it as its own.
        cudaGetLastError();
        probe.reason = cudaGetErrorString(found);
        return probe;
    }
    for (int i = 0; i < count; ++i) {
        cudaDeviceProp prop;
        if (cudaGetDeviceProperties(&prop, i) != cudaSuccess) continue;
        probe.devices.push_back({prop.name, prop.major, prop.minor, prop.integrated != 0});
    }
    if (probe.devices.empty()) probe.reason = "the driver lists no device";
    return probe;
}

}  // namespace hpe

// What the CUDA runtime finds on this machine. A build without nvcc and a machine without a driver both answer with a
// reason instead of failing: one wheel serves every host.
#pragma once

#include <string>
#include <vector>

namespace hpe {

struct CudaDevice {
    std::string name;
    int major;
    int minor;
    bool integrated;  // shares memory with the host (Jetson)
};

struct CudaProbe {
    int runtime_version;  // 0 in a build without CUDA, else as CUDART_VERSION: 13000 is 13.0
    std::vector<CudaDevice> devices;
    std::string reason;  // why there is no device; empty when there is one
};

CudaProbe probe_cuda();

}  // namespace hpe

// Puts a body on a stream; for CUDA files only.
#pragma once

#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

#include "cuda/launch.h"

namespace hpe {

// No allocation and no synchronisation, so that the launch can be captured.
struct Launch {
    void* stream;

    template <typename Body>
    void operator()(const Body& body) const {
        const Grid grid = body.grid();
        if (grid.x == 0) return;
        const dim3 blocks(static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y), static_cast<unsigned>(grid.z));
        run_body<<<blocks, Body::kThreads, 0, static_cast<cudaStream_t>(stream)>>>(body);
        // It is remembered per thread until it is asked for.
        const cudaError_t refused = cudaGetLastError();
        if (refused != cudaSuccess) throw std::runtime_error(cudaGetErrorString(refused));
    }
};

}  // namespace hpe

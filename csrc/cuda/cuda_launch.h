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
        const int blocks = body.blocks();
        if (blocks == 0) return;
        run_body<<<static_cast<unsigned>(blocks), Body::kThreads, 0, static_cast<cudaStream_t>(stream)>>>(body);
        // It is remembered per thread until it is asked for.
        const cudaError_t refused = cudaGetLastError();
        if (refused != cudaSuccess) throw std::runtime_error(cudaGetErrorString(refused));
    }
};

}  // namespace hpe

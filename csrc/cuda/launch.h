// How the work of a CUDA launch is written down, so that a GPU and, in tests, the CPU run the very same code.
//
// A body is a copyable struct:
//   static constexpr int kThreads;                                              // of a block
//   static constexpr bool kShares;                                              // whether Shared is used
//   struct Shared;                                                              // what the threads of a block share
//   Grid grid() const;                                                          // how many blocks
//   void phase(int phase, const Block& block, int thread, Shared& shared) const; // what one thread does
//   int phases(int phase, const Shared& shared) const;                          // as known after a phase; what this
//                                                                               // reads the next phase does not write
// Between two phases all threads of a block wait for one another; within a phase none reads what another one writes.
#pragma once

#include <memory>

#include "common/hd.h"

namespace hpe {

// Blocks along x (faces, as there may be the most of them), y and z.
struct Grid {
    int x, y, z;
};
struct Block {
    int x, y, z;
};

#if defined(__CUDACC__)
template <typename Body>
__global__ void __launch_bounds__(Body::kThreads) run_body(const Body body) {
    __shared__ typename Body::Shared shared;
    const Block block{static_cast<int>(blockIdx.x), static_cast<int>(blockIdx.y), static_cast<int>(blockIdx.z)};
    for (int phase = 0;; ++phase) {
        body.phase(phase, block, static_cast<int>(threadIdx.x), shared);
        if (Body::kShares) __syncthreads();
        if (phase + 1 >= body.phases(phase, shared)) break;
    }
}
#endif

// Runs a body on the CPU, thread after thread. `backwards` starts each phase at the last thread: what a body computes
// must not depend on it.
struct Emulate {
    bool backwards = false;

    template <typename Body>
    void operator()(const Body& body) const {
        const auto shared = std::make_unique<typename Body::Shared>();
        const Grid grid = body.grid();
        for (int x = 0; x < grid.x; ++x)
            for (int y = 0; y < grid.y; ++y)
                for (int z = 0; z < grid.z; ++z) run(body, {x, y, z}, *shared);
    }

private:
    template <typename Body>
    void run(const Body& body, const Block& block, typename Body::Shared& shared) const {
        for (int phase = 0;; ++phase) {
            for (int i = 0; i < Body::kThreads; ++i)
                body.phase(phase, block, backwards ? Body::kThreads - 1 - i : i, shared);
            if (phase + 1 >= body.phases(phase, shared)) break;
        }
    }
};

}  // namespace hpe

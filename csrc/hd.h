// One function, two compilers: HPE_HD marks the formulas that the CPU loops and the CUDA kernels share.
#pragma once

#if defined(__CUDACC__)
#define HPE_HD __host__ __device__ __forceinline__
#else
// Internal linkage and forced inlining, because the same header is compiled once per instruction set: with ordinary
// inline functions the linker could keep the AVX-512 copy and hand it to the baseline code.
#define HPE_HD static inline __attribute__((always_inline, unused))
#endif

namespace hpe {

template <typename T>
HPE_HD T lesser(T a, T b) {
    return b < a ? b : a;
}

template <typename T>
HPE_HD T greater(T a, T b) {
    return a < b ? b : a;
}

}  // namespace hpe

// One function, two compilers: HPE_HD marks the formulas that the CPU loops and the CUDA kernels share, HPE_HD_METHOD
// the member functions of kernel bodies.
#pragma once

#if defined(__CUDACC__)
#define HPE_HD __host__ __device__ __forceinline__
#define HPE_HD_METHOD __host__ __device__ __forceinline__
#define HPE_UNROLL _Pragma("unroll")
#else
#define HPE_HD_METHOD inline
#define HPE_UNROLL
// Internal linkage and forced inlining, because the same header is compiled once per instruction set: with ordinary
// inline functions the linker could keep the AVX-512 copy and hand it to the baseline code.
#define HPE_HD static inline __attribute__((always_inline, unused))
#endif

namespace hpe {

// What no thread of the launch writes; older GPUs cache only such reads.
template <typename T>
HPE_HD T load_constant(const T* at) {
#if defined(__CUDA_ARCH__)
    return __ldg(at);
#else
    return *at;
#endif
}

template <typename T>
HPE_HD T lesser(T a, T b) {
    return b < a ? b : a;
}

template <typename T>
HPE_HD T greater(T a, T b) {
    return a < b ? b : a;
}

}  // namespace hpe

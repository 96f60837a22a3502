// One function, two compilers: HPE_HD marks the formulas that the CPU loops and the CUDA kernels share, HPE_HD_METHOD
// the member functions of kernel bodies, HPE_HOST what no kernel may call: formulas in double precision, of which GPUs
// other than those of data centres do 1/64 as many.
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define HPE_HD __host__ __device__ __forceinline__
#define HPE_HD_METHOD __host__ __device__ __forceinline__
#define HPE_UNROLL _Pragma("unroll")
#define HPE_UNROLL_2 _Pragma("unroll 2")
#define HPE_NO_UNROLL _Pragma("unroll 1")
#else
#define HPE_HD_METHOD inline
#define HPE_UNROLL
#define HPE_UNROLL_2
#define HPE_NO_UNROLL
#define HPE_HD HPE_HOST
#endif
// Internal linkage and forced inlining, because the same header is compiled once per instruction set: with ordinary
// inline functions the linker could keep the AVX-512 copy and hand it to the baseline code.
#if defined(_MSC_VER)
#define HPE_HOST static __forceinline
#else
#define HPE_HOST static inline __attribute__((always_inline, unused))
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

// Byte 0 .. 3 of a word, above kByteBase. On a GPU it becomes the low bits of 2^23, which takes no conversion: those
// run at 1/8 of the rate, or less. Differences of two are exact.
#if defined(__CUDA_ARCH__)
constexpr float kByteBase = 8388608.0f;
#else
constexpr float kByteBase = 0.0f;
#endif
HPE_HD float byte_above_base(uint32_t word, int byte) {
#if defined(__CUDA_ARCH__)
    return __uint_as_float(__byte_perm(word, 0x4b000000u, 0x7440u | static_cast<unsigned>(byte)));
#else
    return static_cast<float>(static_cast<int>(word >> (8 * byte) & 255u));
#endif
}
HPE_HD float byte_level(uint32_t word, int byte) {
    return byte_above_base(word, byte) - kByteBase;
}

// The low word of (high, low) after a shift to the right by `bits` modulo 32.
HPE_HD uint32_t shift_pair(uint32_t low, uint32_t high, uint32_t bits) {
#if defined(__CUDA_ARCH__)
    return __funnelshift_r(low, high, bits);
#else
    return static_cast<uint32_t>((static_cast<uint64_t>(high) << 32 | low) >> (bits & 31u));
#endif
}

// 1 / x within 2 units in the last place.
HPE_HD float reciprocal(float x) {
#if defined(__CUDA_ARCH__)
    return __fdividef(1.0f, x);
#else
    return 1.0f / x;
#endif
}

// a / b of whole numbers as a product with inverse = whole_inverse(b); exact while a * b < 2^32.
HPE_HD uint32_t whole_inverse(int b) {
    return b == 1 ? 0u : 0xffffffffu / static_cast<uint32_t>(b) + 1u;
}
HPE_HD int whole_quotient(int a, uint32_t inverse) {
    return inverse == 0u ? a : static_cast<int>(static_cast<uint64_t>(static_cast<uint32_t>(a)) * inverse >> 32);
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

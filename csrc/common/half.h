// IEEE binary16 as a storage type: what a float becomes when it is written to a float16 network input.
#pragma once

#include <cstdint>
#include <cstring>

#include "common/hd.h"

#if defined(__CUDACC__)
#include <cuda_fp16.h>
#endif

namespace hpe {

struct Half {
    uint16_t bits;
};

// Round to nearest, ties to even; overflow to infinity; NaN stays NaN.
HPE_HD Half to_half(float value) {
#if defined(__CUDA_ARCH__)
    return {__half_as_ushort(__float2half_rn(value))};
#else
    uint32_t f;
    memcpy(&f, &value, sizeof f);
    const uint16_t sign = static_cast<uint16_t>((f >> 16) & 0x8000u);
    f &= 0x7fffffffu;
    if (f > 0x7f800000u) return {static_cast<uint16_t>(sign | 0x7e00u)};
    if (f >= 0x47800000u) return {static_cast<uint16_t>(sign | 0x7c00u)};
    if (f < 0x38800000u) {
        // Subnormal: adding 0.5 aligns the mantissa so that the hardware does the rounding.
        float magnitude;
        memcpy(&magnitude, &f, sizeof magnitude);
        magnitude += 0.5f;
        uint32_t aligned;
        memcpy(&aligned, &magnitude, sizeof aligned);
        return {static_cast<uint16_t>(sign | (aligned - 0x3f000000u))};
    }
    const uint32_t odd = (f >> 13) & 1u;
    return {static_cast<uint16_t>(sign | ((f - 0x38000000u + 0xfffu + odd) >> 13))};
#endif
}

// A pixel of a channels-last input whose channels are padded to eight, TensorRT's kHWC8; the padding is 0.
struct alignas(16) HalfPixel {
    Half v[8];
};

// How a computed value is stored, per output type.
HPE_HD void store_value(float value, float* out) {
    *out = value;
}
HPE_HD void store_value(float value, Half* out) {
    *out = to_half(value);
}
HPE_HD void store_value(float value, uint8_t* out) {
    const float level = lesser(greater(value, 0.0f), 255.0f);
    // 2^23 makes the addition round to the nearest whole number, ties to even, as the SIMD conversions do; the number
    // then sits in the low bits.
    const float shifted = level + 8388608.0f;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    *out = static_cast<uint8_t>(bits);
}

}  // namespace hpe

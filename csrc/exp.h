// The exponential of the softmax: one formula for every instruction set and for CUDA.
#pragma once

#include <cstdint>
#include <cstring>

#include "hd.h"

namespace hpe {

// exp(x) for x <= 0, within 2 units in the last place; below -87 it is 0 and NaN stays NaN. Source: Cody-Waite
// reduction by ln 2 and the Taylor terms to x^6 on |r| <= ln(2) / 2, whose remainder is below 2^-23 of the value.
HPE_HD float exp_nonpositive(float x) {
    // 1.5 * 2^23: adding it rounds to a whole number, which then sits in the low bits; a NaN needs no conversion.
    const float magic = 12582912.0f;
    const float shifted = x * 1.44269504f + magic;
    const float n = shifted - magic;
    float r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    float p = 1.0f / 720.0f;
    p = p * r + 1.0f / 120.0f;
    p = p * r + 1.0f / 24.0f;
    p = p * r + 1.0f / 6.0f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 127u) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return x < -87.0f ? 0.0f : p * power;
}

}  // namespace hpe

// The logarithm of the circular standard deviation, for CPU and GPU alike; see angle.h.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "common/hd.h"

namespace hpe {

// ln(x) for 0 <= x < infinity, within 2 units in the last place; minus infinity of 0, and NaN stays NaN. x is m * 2^n
// with m next to 1, and ln(m) = 2 artanh(s), s = (m - 1) / (m + 1): the terms to s^9 leave less than 2^-28 of the
// value.
HPE_HD float natural_log(float x) {
    if (x == 0.0f) return -INFINITY;
    const bool tiny = x < 1.17549435e-38f;  // no exponent of its own
    const float scaled = tiny ? x * 8388608.0f : x;
    uint32_t bits;
    memcpy(&bits, &scaled, sizeof bits);
    // m from sqrt(1/2) to sqrt(2); 0x3f3504f3 are the bits of the former.
    const int n = static_cast<int>(bits - 0x3f3504f3u) >> 23;
    bits -= static_cast<uint32_t>(n) << 23;
    float m;
    memcpy(&m, &bits, sizeof m);
    const float s = (m - 1.0f) / (m + 1.0f), z = s * s;
    float p = 2.0f / 9.0f;
    p = p * z + 2.0f / 7.0f;
    p = p * z + 2.0f / 5.0f;
    p = p * z + 2.0f / 3.0f;
    const float exponent = static_cast<float>(tiny ? n - 23 : n);
    // ln 2 in two parts, the first short enough for its product to be exact.
    const float low = exponent * -2.12194440e-4f + p * z * s;
    const float value = exponent * 0.693359375f + (low + 2.0f * s);
    return x == x ? value : x;
}

}  // namespace hpe

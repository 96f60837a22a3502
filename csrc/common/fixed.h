// Fixed-point numbers with 32 bits behind the point: positions in a frame, exact to 2^-33 pixels wherever they lie, in
// the integer arithmetic that every GPU has at full rate.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "common/hd.h"

namespace hpe {

using Fixed = int64_t;

constexpr double kFixedOne = 4294967296.0;

// Rounds to nearest; what lies beyond 2^30 is held there.
HPE_HOST Fixed to_fixed(double v) {
    const double most = 1 << 30;
    return std::llrint(lesser(greater(v, -most), most) * kFixedOne);
}

HPE_HD int whole_of(Fixed v) {
    return static_cast<int>(v >> 32);
}

// 0 <= fraction < 1, cut off at 2^-23. The bits become the mantissa of a float of 1 to 2, which takes no conversion.
HPE_HD float fraction_of(Fixed v) {
    const uint32_t bits = 0x3f800000u | (static_cast<uint32_t>(v) >> 9);
    float one_more;
    memcpy(&one_more, &bits, sizeof bits);
    return one_more - 1.0f;
}

// start + count * step, where count is not below 0.
HPE_HD Fixed along(Fixed start, Fixed step, int count) {
    return static_cast<Fixed>(static_cast<uint64_t>(start) +
                              static_cast<uint64_t>(step) * static_cast<uint32_t>(count));
}

// A 64-bit number in parts of 32, which GPUs convert faster.
HPE_HD float float_of(int64_t v) {
    return static_cast<float>(static_cast<int>(v >> 32)) * 4294967296.0f + static_cast<float>(static_cast<uint32_t>(v));
}

// The nearest whole number, |x| < 2^22: adding 1.5 * 2^23 rounds, and the number then sits in the low bits.
HPE_HD int round_int(float x) {
    const float shifted = x + 12582912.0f;
    int bits;
    memcpy(&bits, &shifted, sizeof bits);
    return bits - 0x4b400000;
}

}  // namespace hpe

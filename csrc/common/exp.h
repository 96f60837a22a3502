// The exponential of the softmax: one formula for every vector type and, on plain floats, for CUDA.
#pragma once

#include <cstdint>
#include <cstring>

#include "common/hd.h"

namespace hpe {

// What the formula needs of a type; the vector headers bring the same five for theirs.
HPE_HD float mul(float a, float b) {
    return a * b;
}
HPE_HD float add(float a, float b) {
    return a + b;
}
HPE_HD float sub(float a, float b) {
    return a - b;
}
HPE_HD void fill(float* v, float x) {
    *v = x;
}
// p * 2^n, where n sits in the low bits of `shifted`; 0 where x is below -87.
HPE_HD float scale_by_power(float p, float shifted, float x) {
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 127u) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return x < -87.0f ? 0.0f : p * power;
}

// exp(x) for x <= 0, within 2 units in the last place; below -87 it is 0, and NaN stays NaN. Cody-Waite reduction by ln
// 2 and the Taylor terms to x^6 on |r| <= ln(2) / 2, whose remainder is below 2^-23 of the value.
template <typename V>
HPE_HD V exp_nonpositive(V x) {
    const auto constant = [](float c) {
        V v;
        fill(&v, c);
        return v;
    };
    // 1.5 * 2^23: adding it rounds to a whole number, which then sits in the low bits; a NaN needs no conversion.
    const V magic = constant(12582912.0f);
    const V shifted = add(mul(x, constant(1.44269504f)), magic);
    const V n = sub(shifted, magic);
    // ln 2 in two parts, the first short enough for n times it to be exact.
    V r = add(mul(n, constant(-0.693359375f)), x);
    r = add(mul(n, constant(2.12194440e-4f)), r);
    V p = constant(1.0f / 720.0f);
    p = add(mul(p, r), constant(1.0f / 120.0f));
    p = add(mul(p, r), constant(1.0f / 24.0f));
    p = add(mul(p, r), constant(1.0f / 6.0f));
    p = add(mul(p, r), constant(0.5f));
    p = add(mul(p, r), constant(1.0f));
    p = add(mul(p, r), constant(1.0f));
    return scale_by_power(p, shifted, x);
}

}  // namespace hpe

// The angle of a vector in degrees, for CPU and GPU alike: C libraries differ in the last bits, and so do the
// instruction sets of one library.
#pragma once

#include <cmath>

#include "common/hd.h"

namespace hpe {

// atan2 in degrees, within 2e-5 of it; 0 for two zeros, NaN of NaN. Multiples of 45 degrees are exact. The fraction of
// the sides is at most tan(22.5 degrees) after one step of the addition theorem; there the polynomial, which was fitted
// to (atan(t) / t - 1) / t^2 for the least largest error, leaves less than 1e-9 of the value.
HPE_HD float angle_deg(float y, float x) {
    const float wide = fabsf(x), high = fabsf(y);
    const bool steep = high > wide;
    const float shorter = steep ? wide : high, longer = steep ? high : wide;
    const bool middle = shorter > 0.41421356f * longer;
    const float over = middle ? shorter - longer : shorter, under = middle ? shorter + longer : longer;
    const float t = over / (under == 0.0f ? 1.0f : under), z = t * t;
    float p = -0.060834534f;
    p = p * z + 0.10596002f;
    p = p * z - 0.14243849f;
    p = p * z + 0.19998489f;
    p = p * z - 0.33333316f;
    float degrees = (p * z * t + t) * 57.29577951308232f;
    if (middle) degrees = 45.0f + degrees;
    if (steep) degrees = 90.0f - degrees;
    if (x < 0.0f) degrees = 180.0f - degrees;
    return copysignf(1.0f, y) * degrees;
}

}  // namespace hpe

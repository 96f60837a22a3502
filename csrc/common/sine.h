// Sine and cosine of degrees, for CPU and GPU alike. CUDA's sinf and cosf reduce large angles in double precision.
#pragma once

#include <cmath>

#include "common/fixed.h"
#include "common/hd.h"

namespace hpe {

struct SineCosine {
    float sine, cosine;
};

// Within 2 units in the last place of 1; NaN of NaN and infinity. Whole turns and quarters are taken off exactly, as
// degrees; what is left is 45 degrees at most, where the Taylor terms to x^9 and x^10 leave less than 2^-28.
HPE_HD SineCosine sine_cosine(float degrees) {
    degrees += 0.0f * degrees;
    // Each round takes off all but the last 2^-22 of the angle; usual angles need none, or one.
    while (fabsf(degrees) > 180.0f) degrees = fmaf(-360.0f, rintf(degrees * (1.0f / 360.0f)), degrees);
    const int quarter = round_int(degrees * (1.0f / 90.0f));
    const float x = (degrees - 90.0f * static_cast<float>(quarter)) * 0.0174532925f, z = x * x;
    float s = 1.0f / 362880.0f, c = -1.0f / 3628800.0f;
    s = s * z - 1.0f / 5040.0f;
    s = s * z + 1.0f / 120.0f;
    s = s * z - 1.0f / 6.0f;
    s = s * z * x + x;
    c = c * z + 1.0f / 40320.0f;
    c = c * z - 1.0f / 720.0f;
    c = c * z + 1.0f / 24.0f;
    c = c * z - 0.5f;
    c = c * z + 1.0f;
    const float sine = quarter & 1 ? c : s, cosine = quarter & 1 ? s : c;
    // 0 is added because -0 would be on the other side of a branch cut.
    return {(quarter & 2 ? -sine : sine) + 0.0f, ((quarter + 1) & 2 ? -cosine : cosine) + 0.0f};
}

}  // namespace hpe

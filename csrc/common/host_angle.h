// Sines and angles in double precision, on the host alone: C libraries differ in the last bits, these do not.
#pragma once

#include <cmath>

#include "common/angle.h"
#include "common/hd.h"

namespace hpe {

constexpr double kRadian = 3.14159265358979323846 / 180.0;  // of a degree

struct HostSineCosine {
    double sine, cosine;
};

// Within 2^-51; NaN of what is not finite. Quarters are taken off as degrees; what is left is 45 degrees at most, where
// the Taylor terms beyond x^18 are below 2^-62.
HPE_HOST HostSineCosine host_sine_cosine(double degrees) {
    if (!(std::fabs(degrees) < 1e9)) return {NAN, NAN};
    const double quarters = std::floor(degrees * (1.0 / 90.0) + 0.5);
    const double x = (degrees - 90.0 * quarters) * kRadian, z = x * x;
    double s = 1.0, c = 1.0;
    for (int k = 18; k > 0; k -= 2) {
        s = 1.0 - s * z / (k * (k + 1.0));
        c = 1.0 - c * z / (k * (k - 1.0));
    }
    s *= x;
    const int quarter = static_cast<int>(quarters - 4.0 * std::floor(0.25 * quarters));
    const double sine = quarter & 1 ? c : s, cosine = quarter & 1 ? s : c;
    return {quarter & 2 ? -sine : sine, (quarter + 1) & 2 ? -cosine : cosine};
}

// atan2 in degrees; 0 for two zeros, NaN of NaN. The angle in single precision is 2e-5 degrees off at most; of that
// distance the sine is known, and its third power counts no more.
HPE_HOST double host_angle_deg(double y, double x) {
    const double length = std::sqrt(x * x + y * y);
    if (length == 0.0) return 0.0;
    const double high = y / length, wide = x / length;
    const double near = static_cast<double>(angle_deg(static_cast<float>(high), static_cast<float>(wide)));
    const HostSineCosine at = host_sine_cosine(near);
    return near + (high * at.cosine - wide * at.sine) / kRadian;
}

}  // namespace hpe

#include "decode/turns.h"

#include <algorithm>
#include <cmath>

#include "common/host_angle.h"

namespace hpe {
namespace {

// The in-plane roll of a head whose downward axis is seen as (x, y); NaN where that is a point.
float roll_of(float x, float y) {
    if (x == 0 && y == 0) return NAN;
    return static_cast<float>(host_angle_deg(-static_cast<double>(x), static_cast<double>(y)));
}

float wrapped(float degrees) {
    const auto modulo = [](double v) { return v - 360.0 * std::floor(v / 360.0); };
    return static_cast<float>(modulo(modulo(static_cast<double>(degrees) + 180.0)) - 180.0);
}

// Of the two equivalent triples the one with |pitch| up to 90 degrees: no head nods further, and a head that is turned
// past 90 degrees of yaw keeps its yaw.
void full_yaw_angles(const double* r, float* angles_deg) {
    const double cy = std::sqrt(r[0] * r[0] + r[1] * r[1]);
    const bool locked = cy < 1e-6;  // only the sum or difference of pitch and roll is defined; roll is 0
    const double yaw = host_angle_deg(r[2], cy);
    const double pitch = locked ? host_angle_deg(-r[7], r[4]) : host_angle_deg(r[5], r[8]);
    const auto [s, c] = host_sine_cosine(pitch);
    // Of Rx(pitch) R = Ry(yaw) Rz(roll), so that roll makes up for an ill-conditioned pitch.
    const double roll = locked ? 0.0 : host_angle_deg(c * r[3] - s * r[6], c * r[4] - s * r[7]);
    double found[3] = {yaw, pitch, roll};
    if (std::fabs(found[1]) > 90.0) {
        found[0] = 180.0 - found[0];
        for (int i = 1; i < 3; ++i) found[i] += 180.0;
        for (double& angle : found) angle -= 360.0 * std::floor((angle + 180.0) / 360.0);
    }
    for (int i = 0; i < 3; ++i) angles_deg[i] = static_cast<float>(found[i]);
}

}  // namespace

void rolls_from_keypoints(const float* keypoints, int32_t count, float* rolls_deg) {
    for (int32_t i = 0; i < count; ++i) {
        const float* p = keypoints + 10 * static_cast<ptrdiff_t>(i);
        // From the middle of the eyes to the middle of the mouth: the line through the eyes is no measure in profile.
        const float x = 0.5f * (p[6] + p[8]) - 0.5f * (p[0] + p[2]);
        const float y = 0.5f * (p[7] + p[9]) - 0.5f * (p[1] + p[3]);
        rolls_deg[i] = roll_of(x, y);
    }
}

void undo_turns(const float* turns_deg, int32_t count, const PoseArrays& poses) {
    for (int32_t i = 0; i < count; ++i) {
        if (turns_deg[i] == 0) continue;
        float* rotation = poses.rotation + 9 * static_cast<ptrdiff_t>(i);
        const auto [s, c] = host_sine_cosine(turns_deg[i]);
        double turned[9], sum = 0.0;
        for (int k = 0; k < 3; ++k) {
            turned[k] = c * rotation[k] - s * rotation[3 + k];
            turned[3 + k] = s * rotation[k] + c * rotation[3 + k];
            turned[6 + k] = rotation[6 + k];
            sum += turned[k] + turned[3 + k] + turned[6 + k];
        }
        float* angles = poses.angles + 3 * static_cast<ptrdiff_t>(i);
        if (!std::isfinite(sum)) {  // a NaN may be in an entry that the angles do not use
            std::fill_n(angles, 3, NAN);
            std::fill_n(rotation, 9, NAN);
            continue;
        }
        full_yaw_angles(turned, angles);
        for (int k = 0; k < 9; ++k) rotation[k] = static_cast<float>(turned[k]);
    }
}

int32_t second_pass(const float* turns_deg, int32_t count, const float* rotation, int32_t* again,
                    float* again_turns_deg) {
    int32_t found = 0;
    for (int32_t i = 0; i < count; ++i) {
        const float* r = rotation + 9 * static_cast<ptrdiff_t>(i);
        const float roll = roll_of(r[1], r[4]);
        const float left = wrapped(roll - (turns_deg ? turns_deg[i] : 0.0f));
        if (!(std::fabs(left) > kSecondPassRollDeg)) continue;  // a NaN is not turned again
        again[found] = i;
        again_turns_deg[found++] = roll;
    }
    return found;
}

}  // namespace hpe

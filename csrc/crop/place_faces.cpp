#include "crop/place_faces.h"

#include <cmath>
#include <limits>

#include "crop/warp_normalize.h"

namespace hpe {
namespace {

void place_axis(const Axis& axis, Fixed& start, Fixed& step, Fixed& half, float& slope, int32_t& first, int32_t& last) {
    start = to_fixed(sample_center(axis, 0) - 0.5);
    step = to_fixed(axis.scale);
    half = to_fixed(axis.half_width);
    slope = static_cast<float>(axis.slope);
    first = axis.first;
    last = axis.last;
}

CropPlace place_turned(const TurnedWindow& w) {
    CropPlace p{};
    p.x = to_fixed(mean_position(w.across, w.x));
    p.y = to_fixed(mean_position(w.down, w.y));
    p.column_x = to_fixed(w.column_x / w.across.step);
    p.column_y = to_fixed(w.column_y / w.down.step);
    p.row_x = to_fixed(w.row_x / w.across.step);
    p.row_y = to_fixed(w.row_y / w.down.step);
    p.across = w.across;
    p.down = w.down;
    const bool pixels = w.across.factor == 1 && w.down.factor == 1;
    p.sampling = static_cast<int32_t>(pixels ? Sampling::kTurned : Sampling::kMeans);
    return p;
}

// The value modulo 2^64, which a double's exponent can exceed.
uint64_t wrapped(double v) {
    constexpr double kRange = 18446744073709551616.0;
    if (!std::isfinite(v)) return 0;  // a multiple of 2^64: its last bit counts more than that
    const double rest = std::fmod(std::nearbyint(v), kRange);
    return rest < 0 ? 0u - static_cast<uint64_t>(-rest) : static_cast<uint64_t>(rest);
}

float held_float(double v) {
    constexpr double kMost = std::numeric_limits<float>::max();
    return static_cast<float>(lesser(greater(v, -kMost), kMost));
}

}  // namespace

CropPlace place_box(const FrameRecord& frame, const Box& box, const Turn& turn, const CropRule& crop, int size) {
    if (is_turned(turn)) return place_turned(turned_window(box, turn, crop, size));
    const Window window = crop_window(box, crop, frame.width, frame.height);
    const Axis x = make_axis(window.x, window.cut_x, size, crop.antialias);
    const Axis y = make_axis(window.y, window.cut_y, size, crop.antialias);
    CropPlace p{};
    place_axis(x, p.x, p.column_x, p.half_x, p.slope_x, p.first_x, p.last_x);
    place_axis(y, p.y, p.row_y, p.half_y, p.slope_y, p.first_y, p.last_y);
    const bool empty = x.last < x.first || y.last < y.first, wide = x.half_width > 1.0 || y.half_width > 1.0;
    p.sampling = static_cast<int32_t>(empty ? Sampling::kFill : wide ? Sampling::kRows : Sampling::kPixels);
    return p;
}

WarpPlace place_view(const Homography& homography, int size, bool antialias) {
    WarpPlace p{};
    p.steps = warp_steps(homography, size, antialias);
    const double step = 0.5 / p.steps;  // of u and v
    p.weight = static_cast<float>(16.0 * step * step * step * step);
    const double* w = homography.m + 6;
    const double most = (std::fabs(w[0]) + std::fabs(w[1])) * (size + 1) + std::fabs(w[2]);
    if (!(most > 0 && std::isfinite(most))) return p;  // all zeros: nothing is visible
    int exponent;
    std::frexp(most, &exponent);
    for (int row = 0; row < 3; ++row) {
        for (int k = 0; k < 3; ++k) {
            const double shift = row < 2 ? 0.5 * std::ldexp(w[k], -exponent) : 0.0;
            const double value = (std::ldexp(homography.m[3 * row + k], -exponent) - shift) * (k < 2 ? step : 1.0);
            p.m[3 * row + k] = wrapped(std::ldexp(value, 60));
            if (row < 2) (row == 0 ? p.x : p.y)[k] = held_float(value);
        }
    }
    return p;
}

}  // namespace hpe

// warp_normalize: as crop_normalize, with a 3x3 homography per face in place of a box (the rectifying warp).
//
// The homography maps a point of the output picture, (0, 0) its top-left corner and (size, size) its bottom-right one,
// to a point of the frame: [x y w] = H [u v 1], (x / w, y / w). Samples are bilinear; outside the frame lies the fill
// colour, and at the frame's border the two mix, as at the border of a padded picture. Points at or behind the horizon
// (w <= 0) are fill.
//
// `antialias`: a triangle filter one output pixel in half-width, laid on a grid of `steps` samples per output pixel,
// with steps = the scale at the picture's centre, rounded up. For a homography that only scales this is
// crop_normalize's antialiasing, sampled.
#pragma once

#include <cmath>

#include "crop_normalize.h"

namespace hpe {

struct Homography {
    double m[9];  // row-major
};

struct Point {
    double x, y;
    bool visible;
};

HPE_HD Point map_point(const Homography& h, double u, double v) {
    const double w = h.m[6] * u + h.m[7] * v + h.m[8];
    if (!(w > 0)) return {0, 0, false};
    const double inverse = 1.0 / w;
    return {(h.m[0] * u + h.m[1] * v + h.m[2]) * inverse, (h.m[3] * u + h.m[4] * v + h.m[5]) * inverse, true};
}

// Samples per output pixel: the larger side of the output's central pixel, measured in frame pixels.
HPE_HD int warp_steps(const Homography& h, int size, bool antialias) {
    if (!antialias) return 1;
    const double c = 0.5 * size;
    const Point left = map_point(h, c - 0.5, c), right = map_point(h, c + 0.5, c);
    const Point top = map_point(h, c, c - 0.5), bottom = map_point(h, c, c + 0.5);
    if (!left.visible || !right.visible || !top.visible || !bottom.visible) return 1;
    const double dx = sqrt((right.x - left.x) * (right.x - left.x) + (right.y - left.y) * (right.y - left.y));
    const double dy = sqrt((bottom.x - top.x) * (bottom.x - top.x) + (bottom.y - top.y) * (bottom.y - top.y));
    const double scale = ceil(greater(dx, dy) - 1e-9);
    // 64 steps cover an 8K frame on a 112-pixel input; past that the filter is a sample of itself.
    return static_cast<int>(lesser(greater(scale, 1.0), 64.0));
}

HPE_HD Bgr lerp(const Bgr& a, const Bgr& b, float t) {
    return {a.b + t * (b.b - a.b), a.g + t * (b.g - a.g), a.r + t * (b.r - a.r)};
}

template <PixelFormat kFormat>
HPE_HD Bgr pixel_or_fill(const Frame& frame, int x, int y, const Bgr& fill) {
    return x >= 0 && y >= 0 && x < frame.width && y < frame.height ? pixel_at<kFormat>(frame, x, y) : fill;
}

template <PixelFormat kFormat>
HPE_HD Bgr sample_bilinear(const Frame& frame, const Point& p, const Bgr& fill) {
    // The comparison is written so that a NaN falls out as fill too.
    if (!p.visible || !(p.x > -0.5 && p.y > -0.5 && p.x < frame.width + 0.5 && p.y < frame.height + 0.5)) return fill;
    const int x = floor_int(p.x - 0.5), y = floor_int(p.y - 0.5);
    const float tx = static_cast<float>(p.x - 0.5 - x), ty = static_cast<float>(p.y - 0.5 - y);
    if (x >= 0 && y >= 0 && x + 1 < frame.width && y + 1 < frame.height) {
        const Bgr upper = lerp(pixel_at<kFormat>(frame, x, y), pixel_at<kFormat>(frame, x + 1, y), tx);
        const Bgr lower = lerp(pixel_at<kFormat>(frame, x, y + 1), pixel_at<kFormat>(frame, x + 1, y + 1), tx);
        return lerp(upper, lower, ty);
    }
    const Bgr upper =
        lerp(pixel_or_fill<kFormat>(frame, x, y, fill), pixel_or_fill<kFormat>(frame, x + 1, y, fill), tx);
    const Bgr lower =
        lerp(pixel_or_fill<kFormat>(frame, x, y + 1, fill), pixel_or_fill<kFormat>(frame, x + 1, y + 1, fill), tx);
    return lerp(upper, lower, ty);
}

// One output pixel in the frame's channel order; `fill` likewise.
template <PixelFormat kFormat>
HPE_HD Bgr warp_pixel(const Frame& frame, const Homography& h, int column, int row, int steps, const Bgr& fill) {
    if (steps == 1) return sample_bilinear<kFormat>(frame, map_point(h, column + 0.5, row + 0.5), fill);
    Bgr sum{0, 0, 0};
    const double step = 1.0 / steps;
    const float norm = static_cast<float>(step * step * step * step);
    for (int b = 1 - steps; b < steps; ++b) {
        for (int a = 1 - steps; a < steps; ++a) {
            const Point p = map_point(h, column + 0.5 + a * step, row + 0.5 + b * step);
            const float weight = static_cast<float>((steps - (a < 0 ? -a : a)) * (steps - (b < 0 ? -b : b))) * norm;
            const Bgr s = sample_bilinear<kFormat>(frame, p, fill);
            sum.b += weight * s.b;
            sum.g += weight * s.g;
            sum.r += weight * s.r;
        }
    }
    return sum;
}

// `homographies` [count] -> `out` [count, 3, size, size]; margins, square and clip of `crop` play no part.
template <typename T>
void warp_normalize(const Frame& frame, const Homography* homographies, int count, const CropRule& crop,
                    const InputRule& input, T* out);

}  // namespace hpe

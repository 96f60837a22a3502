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

#include "crop/cell.h"
#include "crop/crop_normalize.h"
#include "crop/homography.h"

namespace hpe {

// Samples per output pixel: the larger side of the output's central pixel, measured in frame pixels.
HPE_HOST int warp_steps(const Homography& h, int size, bool antialias) {
    if (!antialias) return 1;
    const double c = 0.5 * size;
    const Point left = map_point(h, c - 0.5, c), right = map_point(h, c + 0.5, c);
    const Point top = map_point(h, c, c - 0.5), bottom = map_point(h, c, c + 0.5);
    if (!left.visible || !right.visible || !top.visible || !bottom.visible) return 1;
    const double dx = sqrt((right.x - left.x) * (right.x - left.x) + (right.y - left.y) * (right.y - left.y));
    const double dy = sqrt((bottom.x - top.x) * (bottom.x - top.x) + (bottom.y - top.y) * (bottom.y - top.y));
    const double scale = ceil(greater(dx, dy) - 1e-9);
    if (!(scale > 1.0)) return 1;  // a NaN, from numbers near the end of their range, too
    // The cost grows with the square: 16 steps take 961 samples per output pixel, and shrink 1792 pixels to 112.
    return static_cast<int>(lesser(scale, 16.0));
}

// False for a point that touches no pixel of the frame; the comparison is written so that NaN is one too.
HPE_HOST bool find_cell(const Frame& frame, const Point& p, PixelCell* cell) {
    if (!p.visible || !(p.x > -0.5 && p.y > -0.5 && p.x < frame.width + 0.5 && p.y < frame.height + 0.5)) return false;
    cell->x = floor_int(p.x - 0.5);
    cell->y = floor_int(p.y - 0.5);
    cell->tx = static_cast<float>(p.x - 0.5 - cell->x);
    cell->ty = static_cast<float>(p.y - 0.5 - cell->y);
    return true;
}

template <PixelFormat kFormat>
HPE_HOST Bgr sample_bilinear(const Frame& frame, const Point& p, const Bgr& fill) {
    PixelCell c;
    return find_cell(frame, p, &c) ? cell_level<kFormat>(frame, c, fill) : fill;
}

// The weights of the antialiasing grid: a and b count its samples from 1 - steps to steps - 1.
HPE_HOST float grid_weight(int a, int b, int steps) {
    const double step = 1.0 / steps;
    return static_cast<float>((steps - (a < 0 ? -a : a)) * (steps - (b < 0 ? -b : b)) * (step * step * step * step));
}

// One output pixel in the frame's channel order; `fill` likewise.
template <PixelFormat kFormat>
HPE_HOST Bgr warp_pixel(const Frame& frame, const Homography& h, int column, int row, int steps, const Bgr& fill) {
    Bgr sum{0, 0, 0};
    const double step = 1.0 / steps;
    for (int b = 1 - steps; b < steps; ++b) {
        for (int a = 1 - steps; a < steps; ++a) {
            const Point p = map_point(h, column + 0.5 + a * step, row + 0.5 + b * step);
            const Bgr s = sample_bilinear<kFormat>(frame, p, fill);
            const float weight = grid_weight(a, b, steps);
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
                    const InputRule& input, const RowKernels& kernels, T* out);

}  // namespace hpe

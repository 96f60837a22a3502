// Turned crops: as crop_normalize, with the window turned about the centre of its box, so that a face of that roll
// stands upright in it.
//
// Margins and square apply along the turned axes; the box keeps its size, and its sides change places where the turn
// exceeds 45 degrees. The window is not clipped. Sampling sees the pixels beside it; outside the frame lies the fill.
//
// Samples are bilinear. `antialias` samples means of some pixels along the frame's axes instead, of as many as blur
// most nearly as much as the plain crop's filter: the standard deviation is 0.8 to 1.25 times that filter's. A pixel is
// read once for its mean then, not for every output near it.
#pragma once

#include <cmath>

#include "common/host_angle.h"
#include "crop/crop_normalize.h"
#include "crop/homography.h"

namespace hpe {

// Of a crop, clockwise in the picture. Cosine 1 and sine 0: the plain crop.
struct Turn {
    float cosine, sine;
};

inline Turn turn_of(float degrees) {
    const HostSineCosine found = host_sine_cosine(degrees);
    return {static_cast<float>(found.cosine), static_cast<float>(found.sine)};
}

HPE_HD bool is_turned(const Turn& turn) {
    return turn.cosine != 1.0f || turn.sine != 0.0f;
}

// What is sampled along one of the frame's axes: means of `factor` pixels, `step` pixels apart. Mean i begins at pixel
// i * step. Factor 1: the pixels themselves.
struct Filter {
    int factor, step;
};

constexpr int kMostReduced = 128;

// Six times the variance of means of k pixels, sampled bilinearly k apart: (k^2 - 1) / 2 of the mean, k^2 of the
// sampling, in squared pixels. A triangle has its squared half-width.
HPE_HOST double mean_blur(int k) {
    return 1.5 * k * k - 0.5;
}

// The filter next to a triangle of that squared half-width, by ratios.
HPE_HOST Filter find_filter(double square) {
    // Pixels blur by 1, means of two pixels one apart by 2.5.
    if (square * square < 2.5) return {1, 1};
    if (square * square < 2.5 * mean_blur(2)) return {2, 1};
    int k = greater(floor_int(sqrt((2.0 * lesser(square, 1e9) + 1.0) / 3.0)), 2);
    if (square * square > mean_blur(k) * mean_blur(k + 1)) ++k;
    return {lesser(k, kMostReduced), lesser(k, kMostReduced)};
}

// Centres of outputs in the frame, and the filters along the frame's axes.
struct TurnedWindow {
    double x, y;                // of output (0, 0)
    double column_x, column_y;  // from a column to the next
    double row_x, row_y;        // from a row to the next
    Filter across, down;
};

HPE_HOST TurnedWindow turned_window(const Box& box, const Turn& turn, const CropRule& rule, int size) {
    const double cosine = turn.cosine, sine = turn.sine;
    double half_x = 0.5 * (static_cast<double>(box.x2) - box.x1), half_y = 0.5 * (static_cast<double>(box.y2) - box.y1);
    if (cosine * cosine < sine * sine) {
        const double width = half_x;
        half_x = half_y;
        half_y = width;
    }
    const Window window = grown_window({-half_x, half_x}, {-half_y, half_y}, rule);
    const double scale_x = (window.x.to - window.x.from) / size, scale_y = (window.y.to - window.y.from) / size;
    const double left = window.x.from + 0.5 * scale_x, top = window.y.from + 0.5 * scale_y;
    TurnedWindow out;
    out.x = 0.5 * (static_cast<double>(box.x1) + box.x2) + cosine * left - sine * top;
    out.y = 0.5 * (static_cast<double>(box.y1) + box.y2) + sine * left + cosine * top;
    out.column_x = cosine * scale_x;
    out.column_y = sine * scale_x;
    out.row_x = -sine * scale_y;
    out.row_y = cosine * scale_y;
    out.across = out.down = {1, 1};
    if (rule.antialias) {
        const double wide = greater(scale_x, 1.0), high = greater(scale_y, 1.0);
        const double c = cosine * cosine, s = sine * sine;
        out.across = find_filter(c * wide * wide + s * high * high);
        out.down = find_filter(s * wide * wide + c * high * high);
    }
    return out;
}

// A point of the frame among the means: centre of mean 0 at 0.
HPE_HOST double mean_position(const Filter& filter, double at) {
    return (at - 0.5 * filter.factor) / filter.step;
}

// Some outputs of a turned window, counted from the first: (row, column) lies at start + column * step + row * step,
// in means, from mean (x, y). Single precision is enough there.
struct TurnedTile {
    int x, y;
    float start_x, start_y;
    float column_x, column_y;
    float row_x, row_y;
};

HPE_HOST TurnedTile tile_at(const TurnedWindow& w, int row, int column) {
    const double x = mean_position(w.across, w.x + column * w.column_x + row * w.row_x);
    const double y = mean_position(w.down, w.y + column * w.column_y + row * w.row_y);
    TurnedTile tile;
    tile.x = floor_int(x);
    tile.y = floor_int(y);
    tile.start_x = static_cast<float>(x - tile.x);
    tile.start_y = static_cast<float>(y - tile.y);
    tile.column_x = static_cast<float>(w.column_x / w.across.step);
    tile.column_y = static_cast<float>(w.column_y / w.down.step);
    tile.row_x = static_cast<float>(w.row_x / w.across.step);
    tile.row_y = static_cast<float>(w.row_y / w.down.step);
    return tile;
}

// Mean (x, y); what of it lies outside the frame is fill.
template <PixelFormat kFormat>
HPE_HD Bgr mean_at(const Frame& frame, const Filter& across, const Filter& down, int x, int y, const Bgr& fill) {
    const int left = greater(x * across.step, 0), right = lesser(x * across.step + across.factor, frame.width);
    const int top = greater(y * down.step, 0), bottom = lesser(y * down.step + down.factor, frame.height);
    if (left >= right || top >= bottom) return fill;
    Bgr sum{0.0f, 0.0f, 0.0f};
    for (int v = top; v < bottom; ++v) {
        for (int u = left; u < right; ++u) {
            const Bgr p = pixel_at<kFormat>(frame, u, v);
            sum.b += p.b;
            sum.g += p.g;
            sum.r += p.r;
        }
    }
    const float all = static_cast<float>(across.factor * down.factor);
    const float outside = all - static_cast<float>((right - left) * (bottom - top)), norm = 1.0f / all;
    return {(sum.b + outside * fill.b) * norm, (sum.g + outside * fill.g) * norm, (sum.r + outside * fill.r) * norm};
}

// A sample between means (x, y), (x + 1, y) and those below them; tx and ty are its way to the right and down.
template <PixelFormat kFormat>
HPE_HD Bgr mean_cell(const Frame& frame, const Filter& across, const Filter& down, int x, int y, float tx, float ty,
                     const Bgr& fill) {
    Bgr level{0.0f, 0.0f, 0.0f};
    HPE_NO_UNROLL
    for (int k = 0; k < 4; ++k) {
        const int right = k % 2, below = k / 2;
        const Bgr p = mean_at<kFormat>(frame, across, down, x + right, y + below, fill);
        const float weight = (right ? tx : 1.0f - tx) * (below ? ty : 1.0f - ty);
        level.b += weight * p.b;
        level.g += weight * p.g;
        level.r += weight * p.r;
    }
    return level;
}

HPE_HOST int floor_int(float x) {
    const int whole = static_cast<int>(x);
    return whole - (x < static_cast<float>(whole) ? 1 : 0);
}

// One output of a tile in the frame's channel order; `fill` likewise.
template <PixelFormat kFormat>
HPE_HOST Bgr turned_pixel(const Frame& frame, const Filter& across, const Filter& down, const TurnedTile& tile, int row,
                          int column, const Bgr& fill) {
    const float u = static_cast<float>(column), v = static_cast<float>(row);
    const float x = tile.start_x + u * tile.column_x + v * tile.row_x;
    const float y = tile.start_y + u * tile.column_y + v * tile.row_y;
    const int whole_x = floor_int(x), whole_y = floor_int(y);
    return mean_cell<kFormat>(frame, across, down, tile.x + whole_x, tile.y + whole_y, x - static_cast<float>(whole_x),
                              y - static_cast<float>(whole_y), fill);
}

// Crops a box that is turned into `out` [3, size, size].
template <typename T>
void turned_crop(const Frame& frame, const Box& box, const Turn& turn, const CropRule& crop, const InputRule& input,
                 const TurnedKernels& kernels, T* out);

}  // namespace hpe

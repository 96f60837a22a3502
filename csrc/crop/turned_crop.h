// Turned crops: as crop_normalize, with the window turned about the centre of its box, so that a face of that roll
// stands upright in it.
//
// Margins and square apply along the turned axes; the box keeps its size, and its sides change places where the turn
// exceeds 45 degrees. The window is not clipped. Sampling sees the pixels beside it; outside the frame lies the fill.
//
// Each output is a sum of pixels round its sample point by a triangle filter along the frame's axes. Its half-width is
// 1 for `bilinear`; `antialias` gives it the variance of the plain crop's filter, turned, but for what is below 1.5,
// which is hardly seen. In place of a filter of more than 2 pixels, means of factor x factor pixels, which start at the
// frame's corner, are sampled bilinearly; the factor is the one that blurs most nearly as much (its standard deviation
// is 0.81 to 1.24 times the wanted one). So a pixel is read once for its mean, not for every output near it.
#pragma once

#include <cmath>

#include "crop/crop_normalize.h"
#include "crop/homography.h"

namespace hpe {

// Of a crop, clockwise in the picture. Cosine 1 and sine 0: the plain crop.
struct Turn {
    float cosine, sine;
};

HPE_HD bool is_turned(const Turn& turn) {
    return turn.cosine != 1.0f || turn.sine != 0.0f;
}

// How one of the frame's axes is filtered.
struct Filter {
    int factor;        // pixels of a mean, 1 .. kMostReduced
    float half_width;  // of the triangle, 1 .. 2; 1 if factor is not 1
};

constexpr int kMostReduced = 128;

HPE_HD double mean_blur(int k) {
    return 1.5 * k * k - 0.5;
}

// `variance` is six times the filter's, in squared pixels: the squared half-width of a triangle that has it.
HPE_HD Filter find_filter(double variance) {
    if (variance <= 4.0) return {1, variance < 1.5 ? 1.0f : static_cast<float>(sqrt(variance))};
    // Means of k pixels blur by (k^2 - 1) / 2 on this scale, and sampling them, which lie k apart, by k^2. The nearest
    // k: one whose blur and that of the next enclose the wanted one, as ratios.
    int k = floor_int(sqrt((2.0 * lesser(variance, 1e9) + 1.0) / 3.0));
    if (variance * variance > mean_blur(k) * mean_blur(k + 1)) ++k;
    return {lesser(greater(k, 2), kMostReduced), 1.0f};
}

// Centres of outputs in the frame, and the filters along the frame's axes.
struct TurnedWindow {
    double x, y;                // of output (0, 0)
    double column_x, column_y;  // from a column to the next
    double row_x, row_y;        // from a row to the next
    Filter across, down;
};

HPE_HD TurnedWindow turned_window(const Box& box, const Turn& turn, const CropRule& rule, int size) {
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
    out.across = out.down = {1, 1.0f};
    if (rule.antialias) {
        const double wide = greater(scale_x, 1.0), high = greater(scale_y, 1.0);
        const double c = cosine * cosine, s = sine * sine;
        out.across = find_filter(c * wide * wide + s * high * high);
        out.down = find_filter(s * wide * wide + c * high * high);
    }
    return out;
}

// Some outputs of a turned window, counted from the first: (row, column) lies at start + column * step + row * step in
// means, from the centre of mean (x, y). Single precision is enough there.
struct TurnedTile {
    int x, y;
    float start_x, start_y;
    float column_x, column_y;
    float row_x, row_y;
};

HPE_HD TurnedTile tile_at(const TurnedWindow& w, int row, int column) {
    const double x = (w.x + column * w.column_x + row * w.row_x) / w.across.factor - 0.5;
    const double y = (w.y + column * w.column_y + row * w.row_y) / w.down.factor - 0.5;
    TurnedTile tile;
    tile.x = floor_int(x);
    tile.y = floor_int(y);
    tile.start_x = static_cast<float>(x - tile.x);
    tile.start_y = static_cast<float>(y - tile.y);
    tile.column_x = static_cast<float>(w.column_x / w.across.factor);
    tile.column_y = static_cast<float>(w.column_y / w.down.factor);
    tile.row_x = static_cast<float>(w.row_x / w.across.factor);
    tile.row_y = static_cast<float>(w.row_y / w.down.factor);
    return tile;
}

// Four neighbours, the second of which is the last not beyond the sample point.
struct FourTaps {
    int first;
    float weight[4];
};

HPE_HD FourTaps four_taps(float position, float half_width) {
    int whole = static_cast<int>(position);
    if (position < static_cast<float>(whole)) --whole;
    const float t = position - static_cast<float>(whole), slope = 1.0f / half_width;
    FourTaps taps;
    taps.first = whole - 1;
    taps.weight[0] = greater(1.0f - (1.0f + t) * slope, 0.0f);
    taps.weight[1] = 1.0f - t * slope;
    taps.weight[2] = greater(1.0f - (1.0f - t) * slope, 0.0f);
    taps.weight[3] = greater(1.0f - (2.0f - t) * slope, 0.0f);
    const float norm = 1.0f / (taps.weight[0] + taps.weight[1] + taps.weight[2] + taps.weight[3]);
    for (int k = 0; k < 4; ++k) taps.weight[k] *= norm;
    return taps;
}

// The mean of across x down pixels; what of them lies outside the frame is fill.
template <PixelFormat kFormat>
HPE_HD Bgr mean_at(const Frame& frame, int across, int down, int x, int y, const Bgr& fill) {
    const int left = greater(x * across, 0), right = lesser((x + 1) * across, frame.width);
    const int top = greater(y * down, 0), bottom = lesser((y + 1) * down, frame.height);
    Bgr sum{0.0f, 0.0f, 0.0f};
    if (left >= right || top >= bottom) return fill;
    for (int v = top; v < bottom; ++v) {
        for (int u = left; u < right; ++u) {
            const Bgr p = pixel_at<kFormat>(frame, u, v);
            sum.b += p.b;
            sum.g += p.g;
            sum.r += p.r;
        }
    }
    const float all = static_cast<float>(across * down),
                outside = all - static_cast<float>((right - left) * (bottom - top));
    const float norm = 1.0f / all;
    return {(sum.b + outside * fill.b) * norm, (sum.g + outside * fill.g) * norm, (sum.r + outside * fill.r) * norm};
}

// One output of a tile in the frame's channel order; `fill` likewise.
template <PixelFormat kFormat>
HPE_HD Bgr turned_pixel(const Frame& frame, const Filter& across, const Filter& down, const TurnedTile& tile, int row,
                        int column, const Bgr& fill) {
    const float u = static_cast<float>(column), v = static_cast<float>(row);
    const FourTaps xs = four_taps(tile.start_x + u * tile.column_x + v * tile.row_x, across.half_width);
    const FourTaps ys = four_taps(tile.start_y + u * tile.column_y + v * tile.row_y, down.half_width);
    Bgr level{0.0f, 0.0f, 0.0f};
    for (int j = 0; j < 4; ++j) {
        if (ys.weight[j] == 0.0f) continue;
        for (int i = 0; i < 4; ++i) {
            const float weight = xs.weight[i] * ys.weight[j];
            if (weight == 0.0f) continue;
            const Bgr p =
                mean_at<kFormat>(frame, across.factor, down.factor, tile.x + xs.first + i, tile.y + ys.first + j, fill);
            level.b += weight * p.b;
            level.g += weight * p.g;
            level.r += weight * p.r;
        }
    }
    return level;
}

// Crops a box that is turned into `out` [3, size, size].
template <typename T>
void turned_crop(const Frame& frame, const Box& box, const Turn& turn, const CropRule& crop, const InputRule& input,
                 const TurnedKernels& kernels, T* out);

}  // namespace hpe

// crop_normalize: boxes of one frame -> normalised network input, in one pass.
//
// What it computes is exactly "cut the window out of the frame, resize the cut, swap channels, scale, subtract the
// mean, divide by the deviation", with nothing rounded and nothing stored between the steps. The window is the box
// after margins, squaring and clipping; where it leaves the frame the cut holds the fill colour. As with a cut,
// sampling never looks at pixels outside the window (at its edges the outermost pixels repeat), so the result equals
// cv2.resize or PIL's resize of the same cut up to their 8-bit rounding.
//
// Coordinates are continuous: pixel p covers [p, p + 1) and its centre is p + 0.5. Both resamplings are one formula, a
// triangle filter centred on the sample point and normalised over the window's pixels. Its half-width is 1 pixel for
// `bilinear`; `antialias` widens it by the scale when shrinking, as PIL and torchvision do.
#pragma once

#include <cmath>

#include "frame.h"
#include "hd.h"
#include "kernels.h"

namespace hpe {

// x1 y1 x2 y2 in pixels, x to the right, y down; x2 and y2 exclusive.
struct Box {
    float x1, y1, x2, y2;
};

struct CropRule {
    double margin[4];  // left, top, right, bottom, as fractions of the box's width (left, right) and height
    bool square;       // extend the shorter side about the centre
    bool clip;         // cut the window at the frame's edges, after squaring
    bool antialias;
    float fill[3];  // levels 0..255 in the network's colour order
};

struct InputRule {
    int size;          // output is [N, 3, size, size]
    bool swap_colors;  // reverse the frame's channel order
    float gain[3];     // network value = level * gain + bias, in the network's colour order
    float bias[3];
};

struct Window {
    double x1, y1, x2, y2;
};

HPE_HD Window crop_window(const Box& box, const CropRule& rule, int frame_width, int frame_height) {
    const double w = static_cast<double>(box.x2) - box.x1;
    const double h = static_cast<double>(box.y2) - box.y1;
    Window win{box.x1 - rule.margin[0] * w, box.y1 - rule.margin[1] * h, box.x2 + rule.margin[2] * w,
               box.y2 + rule.margin[3] * h};
    if (rule.square) {
        const double grow = 0.5 * ((win.x2 - win.x1) - (win.y2 - win.y1));
        if (grow > 0) {
            win.y1 -= grow;
            win.y2 += grow;
        } else {
            win.x1 += grow;
            win.x2 -= grow;
        }
    }
    if (rule.clip) {
        win.x1 = lesser(greater(win.x1, 0.0), static_cast<double>(frame_width));
        win.y1 = lesser(greater(win.y1, 0.0), static_cast<double>(frame_height));
        win.x2 = lesser(greater(win.x2, 0.0), static_cast<double>(frame_width));
        win.y2 = lesser(greater(win.y2, 0.0), static_cast<double>(frame_height));
    }
    return win;
}

// floor and ceil without the library call that processors before SSE4.1 need; |x| < 2^31.
HPE_HD int floor_int(double x) {
    const int whole = static_cast<int>(x);
    return whole - (x < whole ? 1 : 0);
}
HPE_HD int ceil_int(double x) {
    return -floor_int(-x);
}

// A window that reaches less than this into a pixel does not hold it: 0.1 * 40 must not bring in a pixel more than 4
// does.
constexpr double kSliver = 1e-3;

// One side of the window, sampled at `size` points.
struct Axis {
    double origin;      // the window's edge
    double scale;       // frame pixels per output pixel
    double half_width;  // of the triangle filter, in frame pixels, >= 1
    double slope;       // 1 / half_width
    int first;          // first and last pixel that the window touches
    int last;           // last < first: the window is empty on this axis
};

HPE_HD Axis make_axis(double from, double to, int size, bool antialias) {
    Axis axis;
    axis.origin = from;
    axis.scale = (to - from) / size;
    axis.half_width = antialias ? greater(axis.scale, 1.0) : 1.0;
    axis.slope = 1.0 / axis.half_width;
    axis.first = floor_int(from + kSliver);
    axis.last = to > from ? greater(ceil_int(to - kSliver) - 1, axis.first) : axis.first - 1;
    return axis;
}

HPE_HD double sample_center(const Axis& axis, int i) {
    return axis.origin + (i + 0.5) * axis.scale;
}

struct TapRange {
    int first, last;
};

// The window's pixels inside the filter's support; they are consecutive.
HPE_HD TapRange taps_of(const Axis& axis, double center) {
    TapRange taps;
    taps.first = greater(axis.first, floor_int(center - axis.half_width - 0.5) + 1);
    taps.last = lesser(axis.last, ceil_int(center + axis.half_width - 0.5) - 1);
    // Rounding can put the last centre on the window's edge: the edge pixel then stands alone.
    if (taps.first > taps.last) taps.first = taps.last = lesser(greater(taps.first, axis.first), axis.last);
    return taps;
}

// Taps that one output can have at most: the whole numbers inside an open interval of two half-widths.
HPE_HD int most_taps(const Axis& axis) {
    return ceil_int(2.0 * axis.half_width);
}

// Not normalised.
HPE_HD double tap_weight(const Axis& axis, double center, int pixel) {
    const double distance = fabs(pixel + 0.5 - center);
    return greater(1.0 - distance * axis.slope, 1e-12);
}

// Crops every box of `boxes` [count, 4] into `out` [count, 3, size, size]. The boxes are finite, x1 < x2, y1 < y2.
// T: float, Half or uint8_t (rounded to nearest; needs gain 1 and bias 0 to hold levels).
template <typename T>
void crop_normalize(const Frame& frame, const Box* boxes, int count, const CropRule& crop, const InputRule& input,
                    const RowKernels& kernels, T* out);

}  // namespace hpe

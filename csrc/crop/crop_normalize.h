// crop_normalize: boxes of one frame -> normalised network input, in one pass.
//
// What it computes is exactly "cut the window out of the frame, resize the cut, swap channels, scale, subtract the
// mean, divide by the deviation", with nothing rounded and nothing stored between the steps. The window is the box
// after margins, squaring and clipping; where it leaves the frame the cut holds the fill colour. As with a cut,
// sampling never looks at pixels outside the window (at its edges the outermost pixels repeat), so the result equals
// cv2.resize or PIL's resize of the same cut up to their 8-bit rounding. A window that is shrunk to a square is cut
// before and shrunk after resizing, as torchvision does it: sampling sees the pixels beside the square.
//
// Coordinates are continuous: pixel p covers [p, p + 1) and its centre is p + 0.5. Both resamplings are one formula, a
// triangle filter centred on the sample point and normalised over the window's pixels. Its half-width is 1 pixel for
// `bilinear`; `antialias` widens it by the scale when shrinking, as PIL and torchvision do.
#pragma once

#include <cmath>

#include "common/hd.h"
#include "cpu/kernels.h"
#include "crop/frame.h"

namespace hpe {

// x1 y1 x2 y2 in pixels, x to the right, y down; x2 and y2 exclusive.
struct Box {
    float x1, y1, x2, y2;
};

// How a window that is not square becomes one, about its centre.
enum class Square : int {
    kExtend = 0,  // the shorter side grows
    kShrink = 1,  // the longer side is cut
    kNone = 2,    // it stays as it is
};

struct CropRule {
    double margin[4];  // left, top, right, bottom, as fractions of the box's width (left, right) and height
    Square square;
    bool clip;  // cut the window at the frame's edges, after squaring
    bool antialias;
    float fill[3];  // levels 0..255 in the network's colour order
};

struct InputRule {
    int size;          // output is [N, 3, size, size]
    bool swap_colors;  // reverse the frame's channel order
    float gain[3];     // network value = level * gain + bias, in the network's colour order
    float bias[3];
};

struct Span {
    double from, to;
};

// `x` and `y` are resized to the output; sampling sees the pixels of `cut_x` and `cut_y`, which hold them.
struct Window {
    Span x, y;
    Span cut_x, cut_y;
};

HPE_HOST Span clip_span(const Span& span, double frame_pixels) {
    return {lesser(greater(span.from, 0.0), frame_pixels), lesser(greater(span.to, 0.0), frame_pixels)};
}

// The window of a box, which is not clipped.
HPE_HOST Window grown_window(const Span& box_x, const Span& box_y, const CropRule& rule) {
    const double w = box_x.to - box_x.from;
    const double h = box_y.to - box_y.from;
    Span x{box_x.from - rule.margin[0] * w, box_x.to + rule.margin[2] * w};
    Span y{box_y.from - rule.margin[1] * h, box_y.to + rule.margin[3] * h};
    const Span grown_x = x, grown_y = y;
    if (rule.square != Square::kNone) {
        // Of a wide window, extending moves top and bottom out by this much, shrinking left and right in. It is
        // negative in a tall one, where extending moves left and right out and shrinking top and bottom in.
        const double excess = 0.5 * ((x.to - x.from) - (y.to - y.from));
        if ((excess > 0) == (rule.square == Square::kExtend)) {
            y.from -= excess;
            y.to += excess;
        } else {
            x.from += excess;
            x.to -= excess;
        }
    }
    const bool shrunk = rule.square == Square::kShrink;
    return {x, y, shrunk ? grown_x : x, shrunk ? grown_y : y};
}

HPE_HOST Window crop_window(const Box& box, const CropRule& rule, int frame_width, int frame_height) {
    const Window whole = grown_window({box.x1, box.x2}, {box.y1, box.y2}, rule);
    if (!rule.clip) return whole;
    return {clip_span(whole.x, frame_width), clip_span(whole.y, frame_height), clip_span(whole.cut_x, frame_width),
            clip_span(whole.cut_y, frame_height)};
}

// floor and ceil without the library call that processors before SSE4.1 need; |x| < 2^31.
HPE_HOST int floor_int(double x) {
    const int whole = static_cast<int>(x);
    return whole - (x < whole ? 1 : 0);
}
HPE_HOST int ceil_int(double x) {
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
    int first;          // first and last pixel that the cut touches
    int last;           // last < first: the window is empty on this axis
};

HPE_HOST Axis make_axis(const Span& window, const Span& cut, int size, bool antialias) {
    Axis axis;
    axis.origin = window.from;
    axis.scale = (window.to - window.from) / size;
    axis.half_width = antialias ? greater(axis.scale, 1.0) : 1.0;
    axis.slope = 1.0 / axis.half_width;
    axis.first = floor_int(cut.from + kSliver);
    axis.last = window.to > window.from ? greater(ceil_int(cut.to - kSliver) - 1, axis.first) : axis.first - 1;
    return axis;
}

HPE_HOST double sample_center(const Axis& axis, int i) {
    return axis.origin + (i + 0.5) * axis.scale;
}

struct TapRange {
    int first, last;
};

// The cut's pixels inside the filter's support; they are consecutive.
HPE_HOST TapRange taps_of(const Axis& axis, double center) {
    TapRange taps;
    taps.first = greater(axis.first, floor_int(center - axis.half_width - 0.5) + 1);
    taps.last = lesser(axis.last, ceil_int(center + axis.half_width - 0.5) - 1);
    // Rounding can put the last centre on the window's edge: the edge pixel then stands alone.
    if (taps.first > taps.last) taps.first = taps.last = lesser(greater(taps.first, axis.first), axis.last);
    return taps;
}

// Taps that one output can have at most: the whole numbers inside an open interval of two half-widths.
HPE_HOST int most_taps(const Axis& axis) {
    return ceil_int(2.0 * axis.half_width);
}

// The triangle filter at a distance in pixels; not normalised.
template <typename F>
HPE_HD F triangle(F distance, F slope) {
    return greater(F(1) - (distance < 0 ? -distance : distance) * slope, F(1e-12));
}

HPE_HOST double tap_weight(const Axis& axis, double center, int pixel) {
    return triangle(pixel + 0.5 - center, axis.slope);
}

// Crops every box of `boxes` [count, 4] into `out` [count, 3, size, size]. The boxes are finite, x1 < x2, y1 < y2.
// T: float, Half or uint8_t (rounded to nearest; needs gain 1 and bias 0 to hold levels).
template <typename T>
void crop_normalize(const Frame& frame, const Box* boxes, int count, const CropRule& crop, const InputRule& input,
                    const RowKernels& kernels, T* out);

}  // namespace hpe

// Memory layout of a launch's face records: written by the host (place_faces.h), read by the kernels. Every record
// holds its frame, so that faces of several cameras, of any sizes and formats, share a launch, and a captured launch
// takes other frames and boxes without a new capture. What takes double precision is in the record already.
#pragma once

#include <cstdint>

#include "common/fixed.h"
#include "crop/crop_normalize.h"
#include "crop/turned_crop.h"

namespace hpe {

struct FrameRecord {
    uint64_t data;    // addresses that the device can read
    uint64_t chroma;  // 0 but for NV12
    int64_t row_stride_bytes;
    int64_t chroma_row_stride_bytes;
    int32_t width;
    int32_t height;
    int32_t format;       // a PixelFormat
    int16_t swap_colors;  // 1: the network's channel order is not the frame's
    int16_t yuv;          // a YuvRule, of NV12
};

// How the outputs of a crop are made of pixels.
enum class Sampling : int32_t {
    kFill = 0,    // the window is empty
    kPixels = 1,  // two by two
    kRows = 2,    // by triangles that are wider than a pixel, along x, y or both
    kTurned = 3,  // two by two, where rows are not the frame's
    kMeans = 4,   // two by two means of pixels, likewise
};

// Output (row, column) lies at start + column * column + row * row, counted from the centre of pixel (or mean) 0.
struct CropPlace {
    Fixed x, y;
    Fixed column_x, column_y;  // to the next column
    Fixed row_x, row_y;        // to the next row
    Fixed half_x, half_y;      // half the widths of the triangles; kRows only
    float slope_x, slope_y;    // 1 / half
    int32_t first_x, last_x;   // the cut's pixels; not of turned crops
    int32_t first_y, last_y;
    Filter across, down;  // the means
    int32_t sampling;     // a Sampling
};

// [x y w] = m [u v 1], as PixelCell counts x and y: from pixel centres. u and v count in halves of a grid's step, of
// which an output has 2 * steps; that of column 0, row 0 and of the grid's middle is `steps`. All numbers are
// multiplied by one power of two, so that w is below 2^60. x and y may overflow: what is computed of them is x - w *
// whole, which does not, modulo 2^64.
struct WarpPlace {
    uint64_t m[9];     // row-major
    float x[3], y[3];  // its first two rows times 2^-60
    int32_t steps;     // of the antialiasing grid: 1, 3, 5 .. samples a side
    float weight;      // of a grid's sample: weight * (steps - |a|) * (steps - |b|)
};

struct BoxFace {
    FrameRecord frame;
    CropPlace place;
};

struct WarpFace {
    FrameRecord frame;
    WarpPlace place;
};

HPE_HD Frame frame_of(const FrameRecord& r) {
    return {reinterpret_cast<const uint8_t*>(r.data),
            reinterpret_cast<const uint8_t*>(r.chroma),
            static_cast<ptrdiff_t>(r.row_stride_bytes),
            static_cast<ptrdiff_t>(r.chroma_row_stride_bytes),
            r.width,
            r.height,
            static_cast<PixelFormat>(r.format),
            static_cast<YuvRule>(r.yuv)};
}

// The fill colour in the frame's channel order; that of `crop` is in the network's.
HPE_HD Bgr fill_of(const CropRule& crop, bool swap_colors) {
    return swap_colors ? Bgr{crop.fill[2], crop.fill[1], crop.fill[0]} : Bgr{crop.fill[0], crop.fill[1], crop.fill[2]};
}

}  // namespace hpe

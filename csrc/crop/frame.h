// A frame as the caller holds it: a view, never a copy. Also the one place where NV12 becomes colour.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/hd.h"

namespace hpe {

enum class PixelFormat : int { kColor = 0, kGray8 = 1, kNv12 = 2 };

// kColor: `data` is [height, width, 3]; whether that is BGR or RGB only decides the order of the output planes.
// kGray8: `data` is [height, width]; the three output planes repeat it.
// kNv12:  `data` is Y [height, width], `chroma` is [height / 2, width / 2, 2] with U before V; height and width even.
// Row strides are in bytes, may exceed the row and may be negative (a frame stored bottom-up).
struct Frame {
    const uint8_t* data;
    const uint8_t* chroma;
    ptrdiff_t row_stride_bytes;
    ptrdiff_t chroma_row_stride_bytes;
    int width;
    int height;
    PixelFormat format;
};

struct Bgr {
    float b, g, r;
};

HPE_HD float clamp_level(float v) {
    return lesser(greater(v, 0.0f), 255.0f);
}

// BT.601, limited range, the matrix of OpenCV's COLOR_YUV2BGR_NV12; unrounded, so it differs from OpenCV's 8-bit result
// by up to half a level.
HPE_HD Bgr nv12_to_bgr(float y, float u, float v) {
    const float luma = 1.164f * greater(y - 16.0f, 0.0f);
    const float cb = u - 128.0f;
    const float cr = v - 128.0f;
    return {clamp_level(luma + 2.018f * cb), clamp_level(luma - 0.391f * cb - 0.813f * cr),
            clamp_level(luma + 1.596f * cr)};
}

// One pixel as three levels in the frame's own channel order (NV12: blue, green, red).
template <PixelFormat kFormat>
HPE_HD Bgr pixel_at(const Frame& frame, int x, int y) {
    const uint8_t* row = frame.data + y * frame.row_stride_bytes;
    if (kFormat == PixelFormat::kColor) {
        const uint8_t* p = row + 3 * x;
        return {static_cast<float>(load_constant(p)), static_cast<float>(load_constant(p + 1)),
                static_cast<float>(load_constant(p + 2))};
    }
    if (kFormat == PixelFormat::kGray8) {
        const float level = load_constant(row + x);
        return {level, level, level};
    }
    const uint8_t* uv = frame.chroma + (y / 2) * frame.chroma_row_stride_bytes + (x & ~1);
    return nv12_to_bgr(load_constant(row + x), load_constant(uv), load_constant(uv + 1));
}

}  // namespace hpe

// A frame as the caller holds it: a view, never a copy. Also the one place where its bytes become colour.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/hd.h"

namespace hpe {

enum class PixelFormat : int { kColor = 0, kGray8 = 1, kNv12 = 2, kColor4 = 3 };

// How Y, U and V become colour. Limited range: Y from 16 to 235; full range: 0 to 255.
enum class YuvRule : int { kBt601 = 0, kBt601Full = 1, kBt709 = 2, kBt709Full = 3 };

struct YuvMatrix {
    float black;  // Y of black
    float luma;   // of Y above black
    float u_blue, u_green, v_green, v_red;
};

// ITU-R BT.601-7 and BT.709-6: with red's and blue's shares r and b of Y, and g = 1 - r - b, full range has
// v_red = 2 (1 - r), u_blue = 2 (1 - b), u_green = -2 b (1 - b) / g, v_green = -2 r (1 - r) / g. Limited range
// stretches Y by 255 / 219 and these by 255 / 224. BT.601 in limited range is rounded as in OpenCV's
// COLOR_YUV2BGR_NV12.
HPE_HD YuvMatrix yuv_matrix(YuvRule rule) {
    switch (rule) {
        case YuvRule::kBt601Full:
            return {0.0f, 1.0f, 1.772f, -0.344136286f, -0.714136286f, 1.402f};
        case YuvRule::kBt709:
            return {16.0f, 1.16438356f, 2.11240179f, -0.213248614f, -0.532909329f, 1.79274107f};
        case YuvRule::kBt709Full:
            return {0.0f, 1.0f, 1.8556f, -0.187324273f, -0.468124273f, 1.5748f};
        default:
            return {16.0f, 1.164f, 2.018f, -0.391f, -0.813f, 1.596f};
    }
}

// kColor: `data` is [height, width, 3]; whether that is BGR or RGB only decides the order of the output planes.
// kColor4: `data` is [height, width, 4]; the fourth byte, alpha or nothing, is not read.
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
    YuvRule yuv;  // of kNv12; the matrix itself would take a kernel's registers for every format
};

struct Bgr {
    float b, g, r;
};

HPE_HD float clamp_level(float v) {
    return lesser(greater(v, 0.0f), 255.0f);
}

// Unrounded, so it differs from 8-bit conversions by up to half a level.
HPE_HD Bgr yuv_to_bgr(const YuvMatrix& m, float y, float u, float v) {
    const float luma = m.luma * greater(y - m.black, 0.0f);
    const float cb = u - 128.0f;
    const float cr = v - 128.0f;
    return {clamp_level(luma + m.u_blue * cb), clamp_level(luma + m.u_green * cb + m.v_green * cr),
            clamp_level(luma + m.v_red * cr)};
}

// One pixel as three levels in the frame's own channel order (NV12: blue, green, red).
template <PixelFormat kFormat>
HPE_HD Bgr pixel_at(const Frame& frame, int x, int y) {
    const uint8_t* row = frame.data + y * frame.row_stride_bytes;
    if (kFormat == PixelFormat::kColor || kFormat == PixelFormat::kColor4) {
        const uint8_t* p = row + (kFormat == PixelFormat::kColor ? 3 : 4) * x;
        return {static_cast<float>(load_constant(p)), static_cast<float>(load_constant(p + 1)),
                static_cast<float>(load_constant(p + 2))};
    }
    if (kFormat == PixelFormat::kGray8) {
        const float level = load_constant(row + x);
        return {level, level, level};
    }
    const uint8_t* uv = frame.chroma + (y / 2) * frame.chroma_row_stride_bytes + (x & ~1);
    return yuv_to_bgr(yuv_matrix(frame.yuv), load_constant(row + x), load_constant(uv), load_constant(uv + 1));
}

// One pixel of a format that only the run knows; for loops that convert rows.
HPE_HD Bgr any_pixel_at(const Frame& frame, int x, int y) {
    switch (frame.format) {
        case PixelFormat::kGray8:
            return pixel_at<PixelFormat::kGray8>(frame, x, y);
        case PixelFormat::kNv12:
            return pixel_at<PixelFormat::kNv12>(frame, x, y);
        case PixelFormat::kColor4:
            return pixel_at<PixelFormat::kColor4>(frame, x, y);
        default:
            return pixel_at<PixelFormat::kColor>(frame, x, y);
    }
}

}  // namespace hpe

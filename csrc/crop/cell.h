// One bilinear sample of a frame: four pixels and the way between them. Outside the frame lies the fill colour.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "common/hd.h"
#include "crop/frame.h"

namespace hpe {

// Where a sample lies between pixels: the upper left one of its four, and how far it is on the way to the others.
struct PixelCell {
    int x, y;
    float tx, ty;
};

HPE_HD Bgr lerp(const Bgr& a, const Bgr& b, float t) {
    return {a.b + t * (b.b - a.b), a.g + t * (b.g - a.g), a.r + t * (b.r - a.r)};
}

template <PixelFormat kFormat>
HPE_HD Bgr pixel_or_fill(const Frame& frame, int x, int y, const Bgr& fill) {
    return x >= 0 && y >= 0 && x < frame.width && y < frame.height ? pixel_at<kFormat>(frame, x, y) : fill;
}

// Any cell.
template <PixelFormat kFormat>
HPE_HD Bgr cell_level(const Frame& frame, const PixelCell& c, const Bgr& fill) {
    const Bgr upper =
        lerp(pixel_or_fill<kFormat>(frame, c.x, c.y, fill), pixel_or_fill<kFormat>(frame, c.x + 1, c.y, fill), c.tx);
    const Bgr lower = lerp(pixel_or_fill<kFormat>(frame, c.x, c.y + 1, fill),
                           pixel_or_fill<kFormat>(frame, c.x + 1, c.y + 1, fill), c.tx);
    return lerp(upper, lower, c.ty);
}

// Cells for inner_level: the words that hold their pixels hold nothing that lies outside the row. At least one pixel to
// the left and two to the right belong to the row as well.
HPE_HD bool is_inner(const Frame& frame, int first_x, int last_x, int first_y, int last_y) {
    return first_x >= 1 && last_x <= frame.width - 4 && first_y >= 0 && last_y <= frame.height - 2;
}

HPE_HD uint32_t load_word(const uint8_t* at) {
    uint32_t word;
#if defined(__CUDA_ARCH__)
    word = __ldg(reinterpret_cast<const uint32_t*>(at));
#else
    memcpy(&word, at, sizeof word);
#endif
    return word;
}

// Two pixels of three bytes as two words, the second of two bytes. They are read as the three aligned words from that
// of the first byte on (little endian, as all that this runs on).
struct PixelPair {
    uint32_t front, back;
};

HPE_HD PixelPair load_pair(const uint8_t* at) {
    const uintptr_t address = reinterpret_cast<uintptr_t>(at);
    const uint8_t* words = at - address % 4;
    const uint32_t a = load_word(words), b = load_word(words + 4), c = load_word(words + 8);
    const uint32_t bits = static_cast<uint32_t>(address) * 8u;
    return {shift_pair(a, b, bits), shift_pair(b, c, bits)};
}

HPE_HD float mix(float upper_left, float upper_right, float lower_left, float lower_right, float tx, float ty) {
    const float upper = upper_left + tx * (upper_right - upper_left);
    const float lower = lower_left + tx * (lower_right - lower_left);
    return upper + ty * (lower - upper);
}

// A cell between pixels of three bytes at `upper` and `lower`.
HPE_HD Bgr pair_level(const uint8_t* upper, const uint8_t* lower, float tx, float ty) {
    const PixelPair u = load_pair(upper), l = load_pair(lower);
    return {mix(byte_level(u.front, 0), byte_level(u.front, 3), byte_level(l.front, 0), byte_level(l.front, 3), tx, ty),
            mix(byte_level(u.front, 1), byte_level(u.back, 0), byte_level(l.front, 1), byte_level(l.back, 0), tx, ty),
            mix(byte_level(u.front, 2), byte_level(u.back, 1), byte_level(l.front, 2), byte_level(l.back, 1), tx, ty)};
}

// A cell that is_inner holds for.
template <PixelFormat kFormat>
HPE_HD Bgr inner_level(const Frame& frame, const PixelCell& c) {
    if (kFormat == PixelFormat::kColor) {
        const uint8_t* upper = frame.data + c.y * frame.row_stride_bytes + 3 * c.x;
        return pair_level(upper, upper + frame.row_stride_bytes, c.tx, c.ty);
    }
    const Bgr upper = lerp(pixel_at<kFormat>(frame, c.x, c.y), pixel_at<kFormat>(frame, c.x + 1, c.y), c.tx);
    const Bgr lower = lerp(pixel_at<kFormat>(frame, c.x, c.y + 1), pixel_at<kFormat>(frame, c.x + 1, c.y + 1), c.tx);
    return lerp(upper, lower, c.ty);
}

}  // namespace hpe

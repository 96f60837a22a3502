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

// A row of pixels of three bytes: the word that holds its first byte, and the bytes from there to it.
struct WordRow {
    const uint8_t* words;
    uint32_t lead;
};

HPE_HD WordRow word_row(const uint8_t* row) {
    const uint32_t lead = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(row)) & 3u;
    return {row - lead, lead};
}

// Two pixels as two words, the second of two bytes. They are read as the three aligned words from that of the first
// byte on (little endian, as all that this runs on).
struct PixelPair {
    uint32_t front, back;
};

HPE_HD PixelPair load_pair(const WordRow& row, int x) {
    const uint32_t first = row.lead + 3u * static_cast<uint32_t>(x), bits = 8u * first;
    const uint8_t* at = row.words + (first & ~3u);
    const uint32_t a = load_word(at), b = load_word(at + 4), c = load_word(at + 8);
    return {shift_pair(a, b, bits), shift_pair(b, c, bits)};
}

// Of bytes above their base.
HPE_HD float mix(float upper_left, float upper_right, float lower_left, float lower_right, float tx, float ty) {
    const float left = (upper_left - kByteBase) + ty * (lower_left - upper_left);
    const float right = (upper_right - kByteBase) + ty * (lower_right - upper_right);
    return left + tx * (right - left);
}

// A cell from column x on.
HPE_HD Bgr pair_level(const WordRow& upper, const WordRow& lower, int x, float tx, float ty) {
    const PixelPair u = load_pair(upper, x), l = load_pair(lower, x);
    return {mix(byte_above_base(u.front, 0), byte_above_base(u.front, 3), byte_above_base(l.front, 0),
                byte_above_base(l.front, 3), tx, ty),
            mix(byte_above_base(u.front, 1), byte_above_base(u.back, 0), byte_above_base(l.front, 1),
                byte_above_base(l.back, 0), tx, ty),
            mix(byte_above_base(u.front, 2), byte_above_base(u.back, 1), byte_above_base(l.front, 2),
                byte_above_base(l.back, 1), tx, ty)};
}

// A cell that is_inner holds for.
template <PixelFormat kFormat>
HPE_HD Bgr inner_level(const Frame& frame, const PixelCell& c) {
    if (kFormat == PixelFormat::kColor) {
        const uint8_t* upper = frame.data + c.y * frame.row_stride_bytes;
        return pair_level(word_row(upper), word_row(upper + frame.row_stride_bytes), c.x, c.tx, c.ty);
    }
    const Bgr upper = lerp(pixel_at<kFormat>(frame, c.x, c.y), pixel_at<kFormat>(frame, c.x + 1, c.y), c.tx);
    const Bgr lower = lerp(pixel_at<kFormat>(frame, c.x, c.y + 1), pixel_at<kFormat>(frame, c.x + 1, c.y + 1), c.tx);
    return lerp(upper, lower, c.ty);
}

}  // namespace hpe

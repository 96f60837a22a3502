// The CUDA launch of warp_normalize: each thread owns an output pixel.
#pragma once

#include "crop/cell.h"
#include "crop/face_output.h"
#include "crop/face_record.h"
#include "cuda/launch.h"

namespace hpe {

// A sample among those of an output, in numbers of WarpPlace.
struct WarpPoint {
    uint64_t x, y, w;
};

HPE_HD WarpPoint warp_point(const WarpPlace& place, int u, int v) {
    const auto at = [&](const uint64_t* m) {
        return m[0] * static_cast<uint64_t>(static_cast<int64_t>(u)) +
               m[1] * static_cast<uint64_t>(static_cast<int64_t>(v)) + m[2];
    };
    return {at(place.m), at(place.m + 3), at(place.m + 6)};
}

// The pixel before a place and the way from it to the next: value / w in whole numbers, from a guess that single
// precision is good enough for, and the rest of the division, which is exact before it is rounded to a float.
HPE_HD int divide(uint64_t value, uint64_t w, float guess, float scaled_inverse, float* rest) {
    int whole = round_int(guess - 0.5f);
    const uint64_t left = value - w * static_cast<uint64_t>(static_cast<int64_t>(whole));
    *rest = float_of(static_cast<int64_t>(left)) * scaled_inverse;
    const int more = round_int(*rest - 0.5f);
    *rest -= static_cast<float>(more);
    return whole + more;
}

// False for a point that touches no pixel of the frame.
HPE_HD bool find_cell(const Frame& frame, const WarpPlace& place, const WarpPoint& p, float u, float v,
                      PixelCell* cell) {
    constexpr float kUnit = 1.0f / 1152921504606846976.0f;  // 2^-60
    constexpr float kMargin = 4.0f;                         // pixels; a guess may be off
    const float inverse = reciprocal(float_of(static_cast<int64_t>(p.w)) * kUnit);
    const float x = (place.x[0] * u + place.x[1] * v + place.x[2]) * inverse;
    const float y = (place.y[0] * u + place.y[1] * v + place.y[2]) * inverse;
    // Written so that NaN is outside, too.
    if (!(static_cast<int64_t>(p.w) > 0 && x > -kMargin && y > -kMargin &&
          x < static_cast<float>(frame.width) + kMargin && y < static_cast<float>(frame.height) + kMargin))
        return false;
    cell->x = divide(p.x, p.w, x, inverse * kUnit, &cell->tx);
    cell->y = divide(p.y, p.w, y, inverse * kUnit, &cell->ty);
    return cell->x >= -1 && cell->y >= -1 && cell->x < frame.width && cell->y < frame.height;
}

template <PixelFormat kFormat>
HPE_HD Bgr warp_sample(const Frame& frame, const WarpPlace& place, const WarpPoint& p, float u, float v,
                       const Bgr& fill) {
    PixelCell c;
    if (!find_cell(frame, place, p, u, v, &c)) return fill;
    return is_inner(frame, c.x, c.x, c.y, c.y) ? inner_level<kFormat>(frame, c) : cell_level<kFormat>(frame, c, fill);
}

// One output pixel in the frame's channel order; `fill` likewise.
template <PixelFormat kFormat>
HPE_HD Bgr warp_pixel(const Frame& frame, const WarpPlace& place, int column, int row, const Bgr& fill) {
    const int steps = place.steps, first_u = 2 * steps * column + 2 - steps, first_v = 2 * steps * row + 2 - steps;
    Bgr sum{0.0f, 0.0f, 0.0f};
    HPE_NO_UNROLL
    for (int b = 1 - steps; b < steps; ++b) {
        const int v = first_v + 2 * (b + steps - 1);
        const float row_weight = place.weight * static_cast<float>(steps - (b < 0 ? -b : b));
        WarpPoint p = warp_point(place, first_u, v);
        HPE_NO_UNROLL
        for (int a = 1 - steps; a < steps; ++a) {
            const int u = first_u + 2 * (a + steps - 1);
            const Bgr s = warp_sample<kFormat>(frame, place, p, static_cast<float>(u), static_cast<float>(v), fill);
            const float weight = row_weight * static_cast<float>(steps - (a < 0 ? -a : a));
            sum.b += weight * s.b;
            sum.g += weight * s.g;
            sum.r += weight * s.r;
            p.x += 2 * place.m[0];
            p.y += 2 * place.m[3];
            p.w += 2 * place.m[6];
        }
    }
    return sum;
}

// T: float, Half, uint8_t or HalfPixel.
template <typename T>
struct WarpBody {
    static constexpr int kThreads = 256;
    static constexpr bool kShares = false;
    struct Shared {};

    const WarpFace* faces;
    int count;
    CropRule crop;
    InputRule input;
    T* out;
    uint32_t inverse_size;

    WarpBody(const WarpFace* from, int face_count, const CropRule& rule, const InputRule& values, T* to)
        : faces(from),
          count(face_count),
          crop(rule),
          input(values),
          out(to),
          inverse_size(whole_inverse(values.size)) {}

    HPE_HD_METHOD Grid grid() const { return {count, (input.size * input.size + kThreads - 1) / kThreads, 1}; }
    HPE_HD_METHOD int phases(int, const Shared&) const { return 1; }

    HPE_HD_METHOD void phase(int, const Block& block, int thread, Shared&) const {
        const int pixel = block.y * kThreads + thread;
        if (pixel >= input.size * input.size) return;
        int row = whole_quotient(pixel, inverse_size), column = pixel - row * input.size;
        if (column < 0) {  // the quotient of so many pixels can be one too many
            --row;
            column += input.size;
        }
        const WarpFace& face = faces[block.x];
        const bool swap_colors = face.frame.swap_colors != 0;
        const Bgr level = sample(frame_of(face.frame), face.place, column, row, fill_of(crop, swap_colors));
        FaceOutput<T>(out, block.x, input, swap_colors).store(row, column, level);
    }

private:
    HPE_HD_METHOD static Bgr sample(const Frame& frame, const WarpPlace& place, int column, int row, const Bgr& fill) {
        switch (frame.format) {
            case PixelFormat::kGray8:
                return warp_pixel<PixelFormat::kGray8>(frame, place, column, row, fill);
            case PixelFormat::kNv12:
                return warp_pixel<PixelFormat::kNv12>(frame, place, column, row, fill);
            case PixelFormat::kColor4:
                return warp_pixel<PixelFormat::kColor4>(frame, place, column, row, fill);
            default:
                return warp_pixel<PixelFormat::kColor>(frame, place, column, row, fill);
        }
    }
};

}  // namespace hpe

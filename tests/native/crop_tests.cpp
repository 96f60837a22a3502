// crop_normalize of every instruction set against one pixel at a time, from the same shared formulas: what a CUDA
// thread will do. The formulas themselves are tested against float64 oracles from Python.
#include "crop/crop_normalize.h"

#include "check.h"
#include "cpu/isa.h"

namespace {

using namespace hpe;

float channel_of(const Bgr& p, int c) {
    return c == 0 ? p.b : c == 1 ? p.g : p.r;
}

float one_value(const Frame& frame, const Box& box, const CropRule& crop, const InputRule& input, int plane, int row,
                int column) {
    const Window w = crop_window(box, crop, frame.width, frame.height);
    const Axis xs = make_axis(w.x, w.cut_x, input.size, crop.antialias);
    const Axis ys = make_axis(w.y, w.cut_y, input.size, crop.antialias);
    const float gain = input.gain[plane], bias = input.bias[plane];
    if (xs.last < xs.first || ys.last < ys.first) return crop.fill[plane] * gain + bias;
    const double cx = sample_center(xs, column), cy = sample_center(ys, row);
    const TapRange tx = taps_of(xs, cx), ty = taps_of(ys, cy);
    const int channel = input.swap_colors ? 2 - plane : plane;
    double sum = 0, total = 0;
    for (int y = ty.first; y <= ty.last; ++y) {
        for (int x = tx.first; x <= tx.last; ++x) {
            const double weight = tap_weight(xs, cx, x) * tap_weight(ys, cy, y);
            const bool inside = x >= 0 && y >= 0 && x < frame.width && y < frame.height;
            sum += weight * (inside ? channel_of(pixel_of(frame, x, y), channel) : crop.fill[plane]);
            total += weight;
        }
    }
    return static_cast<float>(sum / total) * gain + bias;
}

template <typename T>
void run_all(const Frame& frame, const Box& box, const CropRule& crop, const InputRule& input, float tolerance,
             float (*read)(T)) {
    const size_t count = static_cast<size_t>(3) * input.size * input.size;
    for (const Isa& isa : usable_isas()) {
        std::vector<T> out(count);
        crop_normalize(frame, &box, 1, crop, input, *isa.rows, out.data());
        for (int plane = 0; plane < 3; ++plane) {
            for (int row = 0; row < input.size; ++row) {
                for (int column = 0; column < input.size; ++column) {
                    const float want = one_value(frame, box, crop, input, plane, row, column);
                    const float got = read(out[(static_cast<size_t>(plane) * input.size + row) * input.size + column]);
                    CHECK(std::fabs(got - want) <= tolerance, "%s size %d: got %g, want %g", isa.name, input.size,
                          static_cast<double>(got), static_cast<double>(want));
                }
            }
        }
    }
}

float from_half(Half h) {
    const int exponent = (h.bits >> 10) & 31;
    const float mantissa = static_cast<float>(h.bits & 1023);
    const float magnitude =
        exponent ? std::ldexp(1.0f + mantissa / 1024.0f, exponent - 15) : std::ldexp(mantissa / 1024.0f, -14);
    return h.bits & 0x8000 ? -magnitude : magnitude;
}

}  // namespace

void crop_tests() {
    std::mt19937 random(1);
    const auto between = [&](double low, double high) {
        return static_cast<float>(low + (high - low) * static_cast<double>(random()) / 4294967296.0);
    };
    for (int round = 0; round < 400; ++round) {
        const auto format = static_cast<PixelFormat>(round % 4);
        // NV12 has even sides; the others go down to a single pixel.
        const int unit = format == PixelFormat::kNv12 ? 2 : 1;
        const int width = unit * static_cast<int>(1 + random() % (60 / unit));
        const int height = unit * static_cast<int>(1 + random() % (60 / unit));
        TestFrame frame(width, height, format, round % 3 ? 5 : 0, random);
        if (format == PixelFormat::kColor && round % 8 == 0) frame.turn_bottom_up();
        const float x = between(-30, 70), y = between(-30, 70);
        const Box box{x, y, x + between(0.3, 90), y + between(0.3, 90)};
        CropRule crop{{between(-0.3, 0.6), 0.1, 0.2, between(-0.3, 0.6)},
                      static_cast<Square>(random() % 3),
                      random() % 2 == 0,
                      random() % 2 == 0,
                      {10, 100, 250}};
        const int sizes[] = {1, 3, 8, 15, 16, 17, 32, 47};
        InputRule input{sizes[random() % 8], random() % 2 == 0, {0.5f, 1.0f, 0.25f}, {3, -5, 7}};
        run_all<float>(frame.view, box, crop, input, 1e-3f, [](float v) { return v; });
        run_all<Half>(frame.view, box, crop, input, 0.2f, from_half);
        for (int c = 0; c < 3; ++c) {
            input.gain[c] = 1;
            input.bias[c] = 0;
        }
        run_all<uint8_t>(frame.view, box, crop, input, 0.502f, [](uint8_t v) { return static_cast<float>(v); });
    }
}

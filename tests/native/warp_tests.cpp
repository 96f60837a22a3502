// warp_normalize of every instruction set against one pixel at a time, over frames that end where their data ends, with
// homographies that lead far outside and to the horizon.
#include "crop/warp_normalize.h"

#include "check.h"
#include "cpu/isa.h"

namespace {

using namespace hpe;

Bgr warp_one_pixel(const Frame& f, const Homography& h, int column, int row, int steps, const Bgr& fill) {
    switch (f.format) {
        case PixelFormat::kColor:
            return warp_pixel<PixelFormat::kColor>(f, h, column, row, steps, fill);
        case PixelFormat::kGray8:
            return warp_pixel<PixelFormat::kGray8>(f, h, column, row, steps, fill);
        case PixelFormat::kColor4:
            return warp_pixel<PixelFormat::kColor4>(f, h, column, row, steps, fill);
        default:
            return warp_pixel<PixelFormat::kNv12>(f, h, column, row, steps, fill);
    }
}

}  // namespace

void warp_tests() {
    std::mt19937 random(2);
    const auto between = [&](double low, double high) {
        return low + (high - low) * static_cast<double>(random()) / 4294967296.0;
    };
    for (int round = 0; round < 300; ++round) {
        const auto format = static_cast<PixelFormat>(round % 4);
        const int width = 2 * static_cast<int>(1 + random() % 20), height = 2 * static_cast<int>(1 + random() % 20);
        const TestFrame frame(width, height, format, round % 3 ? 3 : 0, random);
        const double reach = round % 5 == 0 ? 1e12 : 60;
        const Homography h{{between(-3, 3), between(-3, 3), between(-reach, reach), between(-3, 3), between(-3, 3),
                            between(-reach, reach), between(-0.1, 0.1), between(-0.1, 0.1), between(-0.5, 1.5)}};
        const CropRule crop{{0, 0, 0, 0}, Square::kNone, false, round % 5 == 1, {10, 100, 250}};
        const InputRule input{9, round % 7 < 3, {1, 1, 1}, {0, 0, 0}};
        for (const Isa& isa : usable_isas()) {
            std::vector<float> out(static_cast<size_t>(3) * 9 * 9, NAN);
            warp_normalize(frame.view, &h, 1, crop, input, *isa.rows, out.data());
            for (int i = 0; i < 81; ++i) {
                const Bgr want = warp_one_pixel(frame.view, h, i % 9, i / 9, warp_steps(h, 9, crop.antialias),
                                                input.swap_colors ? Bgr{250, 100, 10} : Bgr{10, 100, 250});
                const float first = input.swap_colors ? want.r : want.b, last = input.swap_colors ? want.b : want.r;
                CHECK(std::fabs(out[i] - first) < 2e-3f && std::fabs(out[81 + i] - want.g) < 2e-3f &&
                          std::fabs(out[162 + i] - last) < 2e-3f,
                      "%s round %d pixel %d: %g, want %g", isa.name, round, i, static_cast<double>(out[i]),
                      static_cast<double>(first));
            }
        }
    }
}

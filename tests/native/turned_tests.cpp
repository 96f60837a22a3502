// Turned crops of every instruction set against one output at a time, from the formulas that a CUDA thread uses, over
// frames that end where their data ends. The formulas themselves are tested against a float64 oracle from Python.
#include "crop/turned_crop.h"

#include "check.h"
#include "cpu/isa.h"

namespace {

using namespace hpe;

Bgr one_output(const Frame& f, const TurnedWindow& w, int row, int column, const Bgr& fill) {
    const TurnedTile tile = tile_at(w, row, column);
    switch (f.format) {
        case PixelFormat::kColor:
            return turned_pixel<PixelFormat::kColor>(f, w.across, w.down, tile, 0, 0, fill);
        case PixelFormat::kGray8:
            return turned_pixel<PixelFormat::kGray8>(f, w.across, w.down, tile, 0, 0, fill);
        case PixelFormat::kColor4:
            return turned_pixel<PixelFormat::kColor4>(f, w.across, w.down, tile, 0, 0, fill);
        default:
            return turned_pixel<PixelFormat::kNv12>(f, w.across, w.down, tile, 0, 0, fill);
    }
}

// Against the C library's, in which the last bits are not specified.
void angle_checks() {
    std::mt19937 random(3);
    std::uniform_real_distribution<double> any(-2, 2), turn(-1000, 1000);
    for (int round = 0; round < 20000; ++round) {
        const double degrees = round < 50 ? 15.0 * (round - 25) : turn(random);
        const HostSineCosine found = host_sine_cosine(degrees);
        CHECK(std::fabs(found.sine - std::sin(degrees * kRadian)) < 5e-15 &&
                  std::fabs(found.cosine - std::cos(degrees * kRadian)) < 5e-15,
              "sine and cosine of %.17g degrees", degrees);
        const double scale = std::pow(10.0, 30 * any(random));
        const double y = round % 7 ? any(random) * scale : 0.0, x = round % 5 ? any(random) * scale : 0.0;
        CHECK(std::fabs(host_angle_deg(y, x) - std::atan2(y, x) / kRadian) < 1e-12, "angle of %.17g, %.17g", y, x);
    }
    CHECK(std::isnan(host_angle_deg(NAN, 1)) && std::isnan(host_angle_deg(1, NAN)), "angle of NaN");
    CHECK(std::isnan(host_sine_cosine(INFINITY).sine) && std::isnan(host_sine_cosine(NAN).cosine), "sine of NaN");
}

}  // namespace

void turned_tests() {
    angle_checks();
    std::mt19937 random(3);
    const auto between = [&](double low, double high) {
        return static_cast<float>(low + (high - low) * static_cast<double>(random()) / 4294967296.0);
    };
    for (int round = 0; round < 400; ++round) {
        const auto format = static_cast<PixelFormat>(round % 4);
        const int unit = format == PixelFormat::kNv12 ? 2 : 1, most = round % 7 == 0 ? 300 : 60;
        const int width = unit * static_cast<int>(1 + random() % (most / unit));
        const int height = unit * static_cast<int>(1 + random() % (most / unit));
        TestFrame frame(width, height, format, round % 3 ? 5 : 0, random);
        if (format == PixelFormat::kColor && round % 8 == 0) frame.turn_bottom_up();
        const float x = between(-0.3 * width, width), y = between(-0.3 * height, height);
        const Box box{x, y, x + between(0.3, 1.2 * width + 1), y + between(0.3, 1.2 * height + 1)};
        const double angle = static_cast<double>(between(-4, 4));
        const Turn turn{static_cast<float>(std::cos(angle)), static_cast<float>(std::sin(angle))};
        const CropRule crop{{between(-0.3, 0.6), 0.1, 0.2, between(-0.3, 0.6)},
                            static_cast<Square>(random() % 3),
                            random() % 2 == 0,
                            random() % 2 == 0,
                            {10, 100, 250}};
        const int sizes[] = {1, 3, 15, 16, 17, 32, 47};
        const int size = sizes[random() % 7];
        const InputRule input{size, random() % 2 == 0, {0.5f, 1.0f, 0.25f}, {3, -5, 7}};
        const Bgr fill = input.swap_colors ? Bgr{250, 100, 10} : Bgr{10, 100, 250};
        const TurnedWindow window = turned_window(box, turn, crop, size);
        for (const Isa& isa : usable_isas()) {
            std::vector<float> out(static_cast<size_t>(3) * size * size, NAN);
            turned_crop(frame.view, box, turn, crop, input, *isa.turned, out.data());
            for (int i = 0; i < size * size; ++i) {
                const Bgr want = one_output(frame.view, window, i / size, i % size, fill);
                const float levels[3] = {want.b, want.g, want.r};
                for (int plane = 0; plane < 3; ++plane) {
                    const float value =
                        levels[input.swap_colors ? 2 - plane : plane] * input.gain[plane] + input.bias[plane];
                    CHECK(std::fabs(out[plane * size * size + i] - value) < 0.1f, "%s round %d output %d: %g, want %g",
                          isa.name, round, i, static_cast<double>(out[plane * size * size + i]),
                          static_cast<double>(value));
                }
            }
        }
    }
}

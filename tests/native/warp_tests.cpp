// warp_normalize over frames that end where their data ends, including homographies that lead far outside and to the
// horizon. The values are tested against float64 oracles from Python; here it is memory and undefined behaviour.
#include "warp_normalize.h"

#include "check.h"

void warp_tests() {
    using namespace hpe;
    std::mt19937 random(2);
    const auto between = [&](double low, double high) {
        return low + (high - low) * static_cast<double>(random()) / 4294967296.0;
    };
    for (int round = 0; round < 300; ++round) {
        const auto format = static_cast<PixelFormat>(round % 3);
        const int width = 2 * static_cast<int>(1 + random() % 20), height = 2 * static_cast<int>(1 + random() % 20);
        const TestFrame frame(width, height, format, round % 2 ? 3 : 0, random);
        const double reach = round % 5 == 0 ? 1e12 : 60;
        const Homography h{{between(-3, 3), between(-3, 3), between(-reach, reach), between(-3, 3), between(-3, 3),
                            between(-reach, reach), between(-0.1, 0.1), between(-0.1, 0.1), between(-0.5, 1.5)}};
        const CropRule crop{{0, 0, 0, 0}, true, false, round % 4 == 0, {10, 100, 250}};
        const InputRule input{9, round % 2 == 0, {1, 1, 1}, {0, 0, 0}};
        std::vector<float> out(static_cast<size_t>(3) * 9 * 9, NAN);
        warp_normalize(frame.view, &h, 1, crop, input, out.data());
        for (const float v : out)
            CHECK(v >= -1e-3f && v <= 255.001f, "round %d: level %g", round, static_cast<double>(v));
    }
}

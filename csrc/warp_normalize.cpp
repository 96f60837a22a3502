#include "warp_normalize.h"

#include <cstddef>

#include "half.h"

namespace hpe {

namespace {

template <PixelFormat kFormat, typename T>
void warp_one(const Frame& frame, const Homography& homography, const CropRule& crop, const InputRule& input, T* out) {
    const int size = input.size;
    const size_t plane = static_cast<size_t>(size) * size;
    const int b = input.swap_colors ? 2 : 0, r = 2 - b;
    const Bgr fill{crop.fill[b], crop.fill[1], crop.fill[r]};
    const int steps = warp_steps(homography, size, crop.antialias);
    for (int row = 0; row < size; ++row) {
        for (int column = 0; column < size; ++column) {
            const Bgr pixel = warp_pixel<kFormat>(frame, homography, column, row, steps, fill);
            T* at = out + static_cast<size_t>(row) * size + column;
            store_value(pixel.b * input.gain[b] + input.bias[b], at + b * plane);
            store_value(pixel.g * input.gain[1] + input.bias[1], at + plane);
            store_value(pixel.r * input.gain[r] + input.bias[r], at + r * plane);
        }
    }
}

}  // namespace

template <typename T>
void warp_normalize(const Frame& frame, const Homography* homographies, int count, const CropRule& crop,
                    const InputRule& input, T* out) {
    const size_t face = static_cast<size_t>(3) * input.size * input.size;
    for (int i = 0; i < count; ++i, out += face) {
        switch (frame.format) {
            case PixelFormat::kColor:
                warp_one<PixelFormat::kColor>(frame, homographies[i], crop, input, out);
                break;
            case PixelFormat::kGray8:
                warp_one<PixelFormat::kGray8>(frame, homographies[i], crop, input, out);
                break;
            case PixelFormat::kNv12:
                warp_one<PixelFormat::kNv12>(frame, homographies[i], crop, input, out);
                break;
        }
    }
}

template void warp_normalize(const Frame&, const Homography*, int, const CropRule&, const InputRule&, float*);
template void warp_normalize(const Frame&, const Homography*, int, const CropRule&, const InputRule&, Half*);
template void warp_normalize(const Frame&, const Homography*, int, const CropRule&, const InputRule&, uint8_t*);

}  // namespace hpe

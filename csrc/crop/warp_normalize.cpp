// The homography path on the CPU: runs of kLanes output pixels, sampled together where all their pixels lie inside the
// frame, one by one where they do not.
#include "crop/warp_normalize.h"

#include <cstddef>

#include "common/half.h"

namespace hpe {
namespace {

template <PixelFormat kFormat>
void warp_run(const Frame& frame, const Homography& h, int column, int row, int count, int steps, const Bgr& fill,
              const RowKernels& kernels, SampleSums& sums) {
    SamplePoints points;
    const double step = 1.0 / steps;
    for (int b = 1 - steps; b < steps; ++b) {
        for (int a = 1 - steps; a < steps; ++a) {
            const double u = column + 0.5 + a * step, v = row + 0.5 + b * step;
            const float weight = grid_weight(a, b, steps);
            if (kFormat == PixelFormat::kColor && count == kLanes && kernels.place_points(frame, h, u, v, points)) {
                kernels.add_samples(points, weight, sums);
                continue;
            }
            for (int l = 0; l < count; ++l) {
                const Bgr s = sample_bilinear<kFormat>(frame, map_point(h, u + l, v), fill);
                sums.v[0][l] += weight * s.b;
                sums.v[1][l] += weight * s.g;
                sums.v[2][l] += weight * s.r;
            }
        }
    }
}

template <PixelFormat kFormat, typename T>
void warp_one(const Frame& frame, const Homography& h, const CropRule& crop, const InputRule& input,
              const RowKernels& kernels, T* out) {
    const int size = input.size;
    const int steps = warp_steps(h, size, crop.antialias);
    const int first = input.swap_colors ? 2 : 0;
    const Bgr fill{crop.fill[first], crop.fill[1], crop.fill[2 - first]};
    for (int row = 0; row < size; ++row) {
        for (int column = 0; column < size; column += kLanes) {
            const int count = lesser(kLanes, size - column);
            SampleSums sums{};
            warp_run<kFormat>(frame, h, column, row, count, steps, fill, kernels, sums);
            for (int c = 0; c < 3; ++c) {
                const int plane = input.swap_colors ? 2 - c : c;
                T* at = out + (static_cast<size_t>(plane) * size + row) * size + column;
                float values[kLanes];
                for (int l = 0; l < kLanes; ++l) values[l] = sums.v[c][l] * input.gain[plane] + input.bias[plane];
                for (int l = 0; l < count; ++l) store_value(values[l], at + l);
            }
        }
    }
}

}  // namespace

template <typename T>
void warp_normalize(const Frame& frame, const Homography* homographies, int count, const CropRule& crop,
                    const InputRule& input, const RowKernels& kernels, T* out) {
    const size_t face = static_cast<size_t>(3) * input.size * input.size;
    for (int i = 0; i < count; ++i, out += face) {
        const Homography& h = homographies[i];
        switch (frame.format) {
            case PixelFormat::kColor:
                warp_one<PixelFormat::kColor>(frame, h, crop, input, kernels, out);
                break;
            case PixelFormat::kGray8:
                warp_one<PixelFormat::kGray8>(frame, h, crop, input, kernels, out);
                break;
            case PixelFormat::kNv12:
                warp_one<PixelFormat::kNv12>(frame, h, crop, input, kernels, out);
                break;
            case PixelFormat::kColor4:
                warp_one<PixelFormat::kColor4>(frame, h, crop, input, kernels, out);
                break;
        }
    }
}

#define HPE_INSTANTIATE(T)                                                                                \
    template void warp_normalize(const Frame&, const Homography*, int, const CropRule&, const InputRule&, \
                                 const RowKernels&, T*)
HPE_INSTANTIATE(float);
HPE_INSTANTIATE(Half);
HPE_INSTANTIATE(uint8_t);

}  // namespace hpe

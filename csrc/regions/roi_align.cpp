#include "regions/roi_align.h"

#include <vector>

namespace hpe {
namespace {

struct Tap {
    int low, high;
    float low_weight, high_weight;
};

// Where a sample reads along one side of a map of `size` cells; weights of 0 outside.
Tap tap_at(double at, int size) {
    if (!(at >= -1.0 && at <= size)) return {0, 0, 0.0f, 0.0f};  // a NaN as well
    if (at < 0.0) at = 0.0;
    const int low = static_cast<int>(at);
    if (low >= size - 1) return {size - 1, size - 1, 1.0f, 0.0f};
    const float rest = static_cast<float>(at - low);
    return {low, low + 1, 1.0f - rest, rest};
}

constexpr int kSteps = kRoiBins * kRoiSamples;

void place_taps(double first, double last, double scale, int size, Tap taps[kSteps]) {
    const double start = first * scale;
    double side = last * scale - start;
    if (!(side >= 1.0)) side = side < 1.0 ? 1.0 : side;  // a NaN stays
    for (int i = 0; i < kSteps; ++i) taps[i] = tap_at(start + (i + 0.5) * side / kSteps, size);
}

}  // namespace

void roi_align(const FeatureMap* maps, const int* level, const Box* boxes, int count, int channels,
               const RegionKernels& kernels, float* out) {
    constexpr int kReads = 4 * kRoiSamples * kRoiSamples;
    constexpr float kMean = 1.0f / (kRoiSamples * kRoiSamples);
    Tap across[kSteps], down[kSteps];
    for (int i = 0; i < count; ++i) {
        const FeatureMap& map = maps[level[i]];
        place_taps(boxes[i].x1, boxes[i].x2, map.scale, map.width, across);
        place_taps(boxes[i].y1, boxes[i].y2, map.scale, map.height, down);
        const size_t row = static_cast<size_t>(map.width) * channels;
        for (int by = 0; by < kRoiBins; ++by)
            for (int bx = 0; bx < kRoiBins; ++bx, out += channels) {
                const float* reads[kReads];
                float weights[kReads];
                int n = 0;
                for (int sy = 0; sy < kRoiSamples; ++sy)
                    for (int sx = 0; sx < kRoiSamples; ++sx) {
                        const Tap &y = down[by * kRoiSamples + sy], &x = across[bx * kRoiSamples + sx];
                        const float* low = map.data + y.low * row;
                        const float* high = map.data + y.high * row;
                        const size_t left = static_cast<size_t>(x.low) * channels;
                        const size_t right = static_cast<size_t>(x.high) * channels;
                        const float* at[4] = {low + left, low + right, high + left, high + right};
                        const float weight[4] = {y.low_weight * x.low_weight, y.low_weight * x.high_weight,
                                                 y.high_weight * x.low_weight, y.high_weight * x.high_weight};
                        for (int k = 0; k < 4; ++k) {
                            if (weight[k] == 0.0f) continue;  // so that an infinity beside it adds nothing
                            reads[n] = at[k];
                            weights[n++] = weight[k] * kMean;
                        }
                    }
                kernels.weigh_runs(reads, weights, n, channels, out);
            }
    }
}

int suppress(const Box* boxes, int count, float limit, int most, const RegionKernels& kernels, int* kept) {
    // Sides one after the other, so that a vector holds the same side of its boxes.
    std::vector<float> sides(static_cast<size_t>(5) * count);
    float *x1 = sides.data(), *y1 = x1 + count, *x2 = y1 + count, *y2 = x2 + count, *area = y2 + count;
    for (int i = 0; i < count; ++i) {
        x1[i] = boxes[i].x1;
        y1[i] = boxes[i].y1;
        x2[i] = boxes[i].x2;
        y2[i] = boxes[i].y2;
        area[i] = (x2[i] - x1[i]) * (y2[i] - y1[i]);
    }
    std::vector<int> dropped(static_cast<size_t>(count));
    int n = 0;
    for (int i = 0; i < count && n < most; ++i) {
        if (dropped[i]) continue;
        kept[n++] = i;
        kernels.drop_overlapping({x1, y1, x2, y2, area}, i, count, limit, dropped.data());
    }
    return n;
}

}  // namespace hpe

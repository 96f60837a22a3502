// Contrast stretch of dark and flat crops, in place: the first to the 99th percentile of their levels becomes 0 to 255.
// hpe_edge/ops/stretch.py says why. What lies outside the frame, the fill, is neither counted nor changed.
//
// Two judgements. The first sees some samples of one channel, is quick, and calls rather too many crops suspect; the
// second sees all pixels of those. Percentiles are order statistics, so they are the same in whatever order values are
// looked at.
#pragma once

#include <cmath>
#include <cstring>
#include <type_traits>

#include "common/half.h"
#include "crop/crop_normalize.h"

namespace hpe {

namespace stretch {

constexpr float kSmallRange = 64.0f;  // levels between the percentiles below which a crop is stretched
constexpr int kLowPercent = 1, kHighPercent = 99;
constexpr float kFlat = 2.0f;        // levels; a crop of one colour has no contrast to stretch
constexpr int kSamples = 16;         // of a side, for the first judgement
constexpr int kTrimmed = 50;         // one of so many samples is left out at each end,
constexpr float kWider = 1.25f;      // and the others may have so much wider a range
constexpr int kFewest = 10;          // one of so many pixels lies in the frame at least
constexpr int kBlended = 2;          // pixels at the frame's edge that mix with the fill
constexpr float kFillLevels = 0.5f;  // a pixel is fill if no channel is further from it
constexpr float kEqual = 1e-3f;      // levels that rounding makes of one

}  // namespace stretch

// Values of one crop: planes [3, size, size], or channels-last pixels.
template <typename T>
HPE_HD T* stretch_value(T* face, int pixels, int channel, int pixel) {
    return face + static_cast<size_t>(channel) * pixels + pixel;
}
HPE_HD Half* stretch_value(HalfPixel* face, int, int channel, int pixel) {
    return face[pixel].v + channel;
}

HPE_HD float load_value(float value) {
    return value;
}
HPE_HD float load_value(uint8_t value) {
    return static_cast<float>(value);
}
HPE_HD float load_value(Half value) {
#if defined(__CUDA_ARCH__)
    return __half2float(__ushort_as_half(value.bits));
#else
    const uint32_t sign = (value.bits & 0x8000u) << 16, exponent = (value.bits >> 10) & 0x1fu;
    const uint32_t mantissa = value.bits & 0x3ffu;
    if (exponent == 0) {
        const float small = static_cast<float>(mantissa) * 5.9604644775390625e-8f;  // 2^-24
        return sign ? -small : small;
    }
    const uint32_t bits = sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | (mantissa << 13);
    float wide;
    memcpy(&wide, &bits, sizeof wide);
    return wide;
#endif
}

// What the judgements need of a model.
struct StretchRule {
    int size;
    float gain[3], bias[3], fill[3];  // in the network's channel order
};

HPE_HD StretchRule stretch_rule(const CropRule& crop, const InputRule& input) {
    return {input.size,
            {input.gain[0], input.gain[1], input.gain[2]},
            {input.bias[0], input.bias[1], input.bias[2]},
            {crop.fill[0], crop.fill[1], crop.fill[2]}};
}

// ---- the first judgement: samples of the middle channel on a grid -------------------------------------------------

struct SampleGrid {
    int step, side;  // side * side samples
};

// A side of 31 has the most samples, 31 of them.
constexpr int kMostSamples = (2 * stretch::kSamples - 1) * (2 * stretch::kSamples - 1);

HPE_HD SampleGrid sample_grid(int size) {
    const int step = greater(1, size / stretch::kSamples);
    return {step, (size + step - 1) / step};
}

HPE_HD int sample_pixel(const SampleGrid& grid, int size, int sample) {
    return sample / grid.side * grid.step * size + sample % grid.side * grid.step;
}

// The fill as the crop stored it.
template <typename T>
HPE_HD float stored_fill(const StretchRule& rule) {
    std::conditional_t<std::is_same<T, HalfPixel>::value, Half, T> stored;
    store_value(rule.fill[1] * rule.gain[1] + rule.bias[1], &stored);
    return load_value(stored);
}

HPE_HD bool is_stored_fill(const StretchRule& rule, float value, float fill) {
    return fabsf(value - fill) <= stretch::kEqual * rule.gain[1];
}

// Neither a sample of fill nor beside one.
HPE_HD bool is_inner_sample(const StretchRule& rule, const SampleGrid& grid, const float* samples, int sample,
                            float fill) {
    const int row = sample / grid.side, column = sample % grid.side;
    return !is_stored_fill(rule, samples[sample], fill) &&
           !(row > 0 && is_stored_fill(rule, samples[sample - grid.side], fill)) &&
           !(row + 1 < grid.side && is_stored_fill(rule, samples[sample + grid.side], fill)) &&
           !(column > 0 && is_stored_fill(rule, samples[sample - 1], fill)) &&
           !(column + 1 < grid.side && is_stored_fill(rule, samples[sample + 1], fill));
}

HPE_HD bool is_narrow(const StretchRule& rule, float low, float high) {
    return !(high - low >= stretch::kWider * stretch::kSmallRange * rule.gain[1]);
}

// ---- the second one: levels of all pixels -------------------------------------------------------------------------

HPE_HD float level_of(const StretchRule& rule, int channel, float value) {
    return (value - rule.bias[channel]) / rule.gain[channel];
}

template <typename T>
HPE_HD bool is_fill(const StretchRule& rule, T* face, int pixel) {
    const int pixels = rule.size * rule.size;
    for (int c = 0; c < 3; ++c) {
        const float level = level_of(rule, c, load_value(*stretch_value(face, pixels, c, pixel)));
        if (fabsf(level - rule.fill[c]) > stretch::kFillLevels) return false;
    }
    return true;
}

// Neither fill nor so near to it, along rows and columns, that it mixes with it. `filled` says of a pixel that it is
// fill.
template <typename Filled>
HPE_HD bool is_inside(int size, int pixel, const Filled& filled) {
    if (filled(pixel)) return false;
    const int row = pixel / size, column = pixel % size;
    for (int by = 1; by <= stretch::kBlended; ++by) {
        if (row >= by && filled(pixel - by * size)) return false;
        if (row + by < size && filled(pixel + by * size)) return false;
        if (column >= by && filled(pixel - by)) return false;
        if (column + by < size && filled(pixel + by)) return false;
    }
    return true;
}

// A percentile of `count` values lies between those of rank `below` and the next one, in whole numbers: a float does
// not tell neighbouring ranks apart.
struct Rank {
    int below;
    float part;  // of the way to the next
};

HPE_HD Rank rank_of(int percent, int count) {
    const int64_t scaled = static_cast<int64_t>(percent) * (count - 1);
    const int below = static_cast<int>(scaled / 100);
    return {below, static_cast<float>(scaled - static_cast<int64_t>(below) * 100) / 100.0f};
}

HPE_HD bool is_small_range(float low, float high) {
    return stretch::kFlat <= high - low && high - low < stretch::kSmallRange;
}

// Stretches the three values of a pixel.
template <typename T>
HPE_HD void stretch_pixel(const StretchRule& rule, T* face, int pixel, float low, float high) {
    const float wider = 255.0f / (high - low);
    for (int c = 0; c < 3; ++c) {
        auto* const value = stretch_value(face, rule.size * rule.size, c, pixel);
        const float level = (level_of(rule, c, load_value(*value)) - low) * wider;
        store_value(lesser(greater(level, 0.0f), 255.0f) * rule.gain[c] + rule.bias[c], value);
    }
}

// On the CPU: stretches those of `count` crops [count, 3, size, size] (or [count, size, size, 8]) that need it; marks
// them with 1 in `stretched` [count], the others with 0.
template <typename T>
void stretch_crops(const StretchRule& rule, T* crops, int count, uint8_t* stretched);

}  // namespace hpe

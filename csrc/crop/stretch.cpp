#include "crop/stretch.h"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

namespace hpe {
namespace {

// Reorders the values.
float value_of_rank(std::vector<float>& values, int rank) {
    std::nth_element(values.begin(), values.begin() + rank, values.end());
    return values[rank];
}

float percentile(std::vector<float>& values, int percent) {
    const Rank rank = rank_of(percent, static_cast<int>(values.size()));
    const float below = value_of_rank(values, rank.below);
    if (rank.part == 0.0f) return below;
    const float above = *std::min_element(values.begin() + rank.below + 1, values.end());
    return below + rank.part * (above - below);
}

class Stretch {
public:
    explicit Stretch(const StretchRule& rule) : rule_(rule), grid_(sample_grid(rule.size)) {}

    template <typename T>
    bool operator()(T* face) {
        return is_suspect(face) && stretch(face);
    }

private:
    template <typename T>
    bool is_suspect(T* face) {
        const float fill = stored_fill<T>(rule_);
        const int count = grid_.side * grid_.side;
        values_.resize(count);
        int filled = 0;
        for (int i = 0; i < count; ++i) {
            const int pixel = sample_pixel(grid_, rule_.size, i);
            values_[i] = load_value(*stretch_value(face, rule_.size * rule_.size, 1, pixel));
            if (std::isnan(values_[i])) return false;
            filled += is_stored_fill(rule_, values_[i], fill);
        }
        if (filled <= count / stretch::kTrimmed) return is_narrow_range(values_);
        // Without the fill, which may be all that widens the range.
        inner_.clear();
        for (int i = 0; i < count; ++i)
            if (is_inner_sample(rule_, grid_, values_.data(), i, fill)) inner_.push_back(values_[i]);
        return !inner_.empty() && is_narrow_range(inner_);
    }

    bool is_narrow_range(std::vector<float>& samples) const {
        const int count = static_cast<int>(samples.size()), trimmed = count / stretch::kTrimmed;
        const float low = value_of_rank(samples, trimmed);
        return is_narrow(rule_, low, value_of_rank(samples, count - 1 - trimmed));
    }

    // True only if the second judgement would find the range too wide. It counts the values beyond two levels that are
    // further apart than the limit, with samples of all channels in their middle, and leaves out as many as may be
    // fill, or beside it.
    template <typename T>
    bool is_clearly_wide(T* face) {
        const int pixels = rule_.size * rule_.size, count = grid_.side * grid_.side;
        values_.resize(3 * count);
        for (int i = 0; i < 3 * count; ++i) {
            const int pixel = sample_pixel(grid_, rule_.size, i % count);
            values_[i] = level_of(rule_, i / count, load_value(*stretch_value(face, pixels, i / count, pixel)));
            if (!std::isfinite(values_[i])) return false;
        }
        const int trimmed = 3 * count / stretch::kTrimmed;
        const float least = value_of_rank(values_, trimmed);
        const float middle = 0.5f * (least + value_of_rank(values_, 3 * count - 1 - trimmed));
        constexpr float kRounding = 0.02f;  // levels
        constexpr float kHalf = 0.5f * stretch::kSmallRange + kRounding;
        int64_t below = 0, above = 0;
        for (int c = 0; c < 3; ++c) {
            const float low = (middle - kHalf) * rule_.gain[c] + rule_.bias[c];
            const float high = (middle + kHalf) * rule_.gain[c] + rule_.bias[c];
            int lower = 0, higher = 0;
            for (int i = 0; i < pixels; ++i) {
                const float value = load_value(*stretch_value(face, pixels, c, i));
                lower += value <= low;
                higher += value >= high;
            }
            below += lower;
            above += higher;
        }
        float fill[3], reach[3];
        for (int c = 0; c < 3; ++c) {
            fill[c] = rule_.fill[c] * rule_.gain[c] + rule_.bias[c];
            reach[c] = (stretch::kFillLevels + kRounding) * rule_.gain[c];
        }
        int64_t filled = 0;
        for (int i = 0; i < pixels; ++i) {
            const auto near = [&](int c) {
                return std::fabs(load_value(*stretch_value(face, pixels, c, i)) - fill[c]) <= reach[c];
            };
            filled += static_cast<int>(near(0)) & static_cast<int>(near(1)) & static_cast<int>(near(2));
        }
        const int64_t left_out = filled * 3 * (1 + 4 * stretch::kBlended), all = int64_t{3} * pixels;
        const int64_t beyond = all * stretch::kLowPercent / 100 + 2;  // the percentile and its neighbour
        return below - left_out >= beyond && above - left_out >= beyond;
    }

    template <typename T>
    bool stretch(T* face) {
        if (is_clearly_wide(face)) return false;
        const int pixels = rule_.size * rule_.size;
        values_.clear();
        filled_.resize(pixels);
        inside_.resize(pixels);
        for (int i = 0; i < pixels; ++i) filled_[i] = is_fill(rule_, face, i);
        for (int i = 0; i < pixels; ++i) {
            inside_[i] = is_inside(rule_.size, i, [&](int pixel) { return filled_[pixel] != 0; });
            for (int c = 0; c < 3; ++c) {
                const float level = level_of(rule_, c, load_value(*stretch_value(face, pixels, c, i)));
                if (!std::isfinite(level)) return false;
                if (inside_[i]) values_.push_back(level);
            }
        }
        if (static_cast<int64_t>(values_.size()) * stretch::kFewest < int64_t{3} * pixels) return false;
        const float low = percentile(values_, stretch::kLowPercent);
        const float high = percentile(values_, stretch::kHighPercent);
        if (!is_small_range(low, high)) return false;
        for (int i = 0; i < pixels; ++i)
            if (inside_[i]) stretch_pixel(rule_, face, i, low, high);
        return true;
    }

    StretchRule rule_;
    SampleGrid grid_;
    std::vector<float> values_, inner_;
    std::vector<uint8_t> filled_, inside_;
};

}  // namespace

template <typename T>
void stretch_crops(const StretchRule& rule, T* crops, int count, uint8_t* stretched) {
    Stretch stretch(rule);
    const size_t face = (std::is_same_v<T, HalfPixel> ? 1 : 3) * static_cast<size_t>(rule.size) * rule.size;
    for (int i = 0; i < count; ++i) stretched[i] = stretch(crops + i * face);
}

template void stretch_crops(const StretchRule&, float*, int, uint8_t*);
template void stretch_crops(const StretchRule&, Half*, int, uint8_t*);
template void stretch_crops(const StretchRule&, uint8_t*, int, uint8_t*);
template void stretch_crops(const StretchRule&, HalfPixel*, int, uint8_t*);

}  // namespace hpe

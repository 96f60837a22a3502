// The CUDA launch of the contrast stretch, over crops that lie in the network's input. A block owns a face. One in good
// light ends after the first judgement, which reads some samples; of the others the two percentiles are found by
// halving an interval of keys 32 times, as values cannot be sorted in place.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "crop/stretch.h"
#include "cuda/launch.h"

namespace hpe {

// Of the input; larger crops would need more shared memory than every GPU has, and are not stretched.
constexpr int kMostStretchedSide = 512;

// Keys are ordered as the floats are.
HPE_HD uint32_t key_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
HPE_HD float value_of_key(uint32_t key) {
    const uint32_t bits = key & 0x80000000u ? key & 0x7fffffffu : ~key;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// T: float, Half, uint8_t or HalfPixel.
template <typename T>
struct StretchBody {
    static constexpr int kThreads = 256;
    static constexpr bool kShares = true;
    static constexpr int kWords = kMostStretchedSide * kMostStretchedSide / 32;
    static constexpr int kHalvings = 32;
    // Phases of the first judgement, then a count and a decision per halving, then the values beyond and the stretch.
    static constexpr int kJudged = 5, kHalved = kJudged + 3, kFound = kHalved + 2 * kHalvings, kAll = kFound + 3;

    // Of the two percentiles; every thread has its part of the counts.
    struct Search {
        uint32_t low, high;  // the key lies between
        int rank;
        float part;
        int counts[kThreads];
        uint32_t beyond[kThreads];
    };
    struct Shared {
        int phases[2];  // after even and odd phases: threads may still read the one when the next phase writes
        bool rejected;
        float samples[kMostSamples], ranked[kMostSamples];
        int counts[kThreads], others[kThreads];
        float low, high;
        uint32_t filled[kWords];  // a bit per pixel
        Search search[2];
    };

    T* crops;
    int count;
    StretchRule rule;
    float* stretched;  // [count], 1 or 0

    HPE_HD_METHOD Grid grid() const { return {count, 1, 1}; }
    HPE_HD_METHOD int phases(int phase, const Shared& s) const { return s.phases[phase % 2]; }

    HPE_HD_METHOD void phase(int phase, const Block& block, int thread, Shared& s) const {
        const int pixels = rule.size * rule.size;
        T* face = crops + static_cast<size_t>(block.x) * (std::is_same<T, HalfPixel>::value ? 1 : 3) * pixels;
        if (phase < kJudged) return judge(phase, block.x, thread, face, s);
        if (phase < kHalved) return count_pixels(phase, thread, face, s);
        if (s.rejected) return;
        if (phase < kFound) return halve(phase - kHalved, thread, face, s);
        finish(phase, block.x, thread, face, s);
    }

private:
    HPE_HD_METHOD static int total_of(const int* counts) {
        int total = 0;
        for (int i = 0; i < kThreads; ++i) total += counts[i];
        return total;
    }

    HPE_HD_METHOD float level_at(T* face, int channel, int pixel) const {
        return level_of(rule, channel, load_value(*stretch_value(face, rule.size * rule.size, channel, pixel)));
    }

    HPE_HD_METHOD bool inside(const Shared& s, int pixel) const {
        return is_inside(rule.size, pixel, [&s](int at) { return (s.filled[at >> 5] >> (at & 31) & 1u) != 0; });
    }

    HPE_HD_METHOD void judge(int phase, int face_index, int thread, T* face, Shared& s) const {
        const SampleGrid grid = sample_grid(rule.size);
        const int samples = grid.side * grid.side;
        const float fill = stored_fill<T>(rule);
        if (phase == 0) {
            if (thread == 0) {
                s.phases[0] = s.phases[1] = kAll;
                s.rejected = false;
                s.low = s.high = 0.0f;
                stretched[face_index] = 0.0f;
            }
            for (int i = thread; i < samples; i += kThreads)
                s.samples[i] =
                    load_value(*stretch_value(face, rule.size * rule.size, 1, sample_pixel(grid, rule.size, i)));
        } else if (phase == 1) {
            int filled = 0, unknown = 0;
            for (int i = thread; i < samples; i += kThreads) {
                filled += is_stored_fill(rule, s.samples[i], fill);
                unknown += s.samples[i] != s.samples[i];
            }
            s.counts[thread] = filled;
            s.others[thread] = unknown;
        } else if (phase == 2) {
            // Samples that do not count become the largest.
            const bool all = total_of(s.counts) <= samples / stretch::kTrimmed;
            for (int i = thread; i < samples; i += kThreads)
                s.ranked[i] = all || is_inner_sample(rule, grid, s.samples, i, fill) ? s.samples[i] : INFINITY;
        } else if (phase == 3) {
            rank_samples(samples, thread, s);
        } else if (thread == 0) {
            const bool suspect = rule.size <= kMostStretchedSide && total_of(s.others) == 0 && s.low < INFINITY &&
                                 is_narrow(rule, s.low, s.high);
            if (!suspect) s.phases[(kJudged - 1) % 2] = kJudged;
        }
    }

    // Every thread looks for the places of its samples in their order.
    HPE_HD_METHOD static void rank_samples(int samples, int thread, Shared& s) {
        int counted = 0;
        for (int i = 0; i < samples; ++i) counted += s.ranked[i] < INFINITY;
        if (thread == 0 && counted == 0) s.low = INFINITY;
        const int trimmed = counted / stretch::kTrimmed;
        for (int i = thread; i < samples; i += kThreads) {
            int place = 0;
            for (int k = 0; k < samples; ++k)
                place += s.ranked[k] < s.ranked[i] || (s.ranked[k] == s.ranked[i] && k < i);
            if (place == trimmed && counted > 0) s.low = s.ranked[i];
            if (place == counted - 1 - trimmed) s.high = s.ranked[i];
        }
    }

    HPE_HD_METHOD void count_pixels(int phase, int thread, T* face, Shared& s) const {
        const int pixels = rule.size * rule.size;
        if (phase == kJudged) {
            int infinite = 0;
            for (int word = thread; word < (pixels + 31) / 32; word += kThreads) {
                uint32_t bits = 0;
                for (int pixel = 32 * word; pixel < lesser(32 * word + 32, pixels); ++pixel) {
                    if (is_fill(rule, face, pixel)) bits |= 1u << (pixel & 31);
                    for (int c = 0; c < 3; ++c) {
                        const float level = level_at(face, c, pixel);
                        infinite += !(level - level == 0.0f);
                    }
                }
                s.filled[word] = bits;
            }
            s.others[thread] = infinite;
        } else if (phase == kJudged + 1) {
            int counted = 0;
            for (int pixel = thread; pixel < pixels; pixel += kThreads) counted += inside(s, pixel);
            s.counts[thread] = counted;
        } else if (thread == 0) {
            const int counted = total_of(s.counts);
            s.rejected = total_of(s.others) > 0 || counted * stretch::kFewest < pixels || counted == 0;
            for (int i = 0; i < 2; ++i) {
                const Rank rank = rank_of(i == 0 ? stretch::kLowPercent : stretch::kHighPercent, 3 * counted);
                s.search[i].low = 0;
                s.search[i].high = 0xffffffffu;
                s.search[i].rank = rank.below;
                s.search[i].part = rank.part;
            }
        }
    }

    // The smallest key that as many values as the rank asks for do not exceed.
    HPE_HD_METHOD void halve(int step, int thread, T* face, Shared& s) const {
        if (step % 2 == 0) {
            count_up_to(middle_of(s.search[0]), middle_of(s.search[1]), thread, face, s);
        } else if (thread < 2) {
            Search& search = s.search[thread];
            const uint32_t middle = middle_of(search);
            if (total_of(search.counts) > search.rank)
                search.high = middle;
            else if (search.low < search.high)
                search.low = middle + 1;
        }
    }

    HPE_HD_METHOD static uint32_t middle_of(const Search& search) {
        return search.low + (search.high - search.low) / 2;
    }

    // Counts the values up to two keys, and finds the least beyond each.
    HPE_HD_METHOD void count_up_to(uint32_t first, uint32_t second, int thread, T* face, Shared& s) const {
        int up_to_first = 0, up_to_second = 0;
        uint32_t beyond_first = 0xffffffffu, beyond_second = 0xffffffffu;
        for (int pixel = thread; pixel < rule.size * rule.size; pixel += kThreads) {
            if (!inside(s, pixel)) continue;
            for (int c = 0; c < 3; ++c) {
                const uint32_t key = key_of(level_at(face, c, pixel));
                up_to_first += key <= first;
                up_to_second += key <= second;
                if (key > first) beyond_first = lesser(beyond_first, key);
                if (key > second) beyond_second = lesser(beyond_second, key);
            }
        }
        s.search[0].counts[thread] = up_to_first;
        s.search[1].counts[thread] = up_to_second;
        s.search[0].beyond[thread] = beyond_first;
        s.search[1].beyond[thread] = beyond_second;
    }

    HPE_HD_METHOD static float percentile_of(const Search& search) {
        const float below = value_of_key(search.low);
        if (search.part == 0.0f || total_of(search.counts) > search.rank + 1) return below;
        uint32_t next = 0xffffffffu;
        for (int i = 0; i < kThreads; ++i) next = lesser(next, search.beyond[i]);
        return below + search.part * (value_of_key(next) - below);
    }

    HPE_HD_METHOD void finish(int phase, int face_index, int thread, T* face, Shared& s) const {
        if (phase == kFound) return count_up_to(s.search[0].low, s.search[1].low, thread, face, s);
        if (phase == kFound + 1) {
            if (thread != 0) return;
            s.low = percentile_of(s.search[0]);
            s.high = percentile_of(s.search[1]);
            if (is_small_range(s.low, s.high)) stretched[face_index] = 1.0f;
            return;
        }
        if (!is_small_range(s.low, s.high)) return;
        for (int pixel = thread; pixel < rule.size * rule.size; pixel += kThreads)
            if (inside(s, pixel)) stretch_pixel(rule, face, pixel, s.low, s.high);
    }
};

}  // namespace hpe

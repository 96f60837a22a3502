// Plain C++: any processor, and the reference of the others.
#pragma once

#include <cstring>

#include "common/hd.h"
#include "network/kernels.h"

namespace hpe::HPE_ISA {

constexpr WeightLayout kWeightLayout = WeightLayout::kBytes;
constexpr bool kSignedBytes = false;
constexpr int kIntWeightBytes = 64;
constexpr int kMostBlocks = 1;
constexpr int kTilePixels[kMostBlocks] = {2};
constexpr int kFloatTilePixels[kMostBlocks] = {2};
constexpr int kChannelPixels = 2;

struct IntSums {
    int32_t v[kBlock];
};
struct IntWeights {
    const int8_t* p;
};
struct FourBytes {
    int32_t v[4];
};
struct WordWeights {
    const int16_t* p;
};
struct TwoWords {
    int32_t v[2];
};
struct ChannelWords {
    int32_t v[kBlock][2];
};
using QuickWeights = IntWeights;
using QuickBytes = FourBytes;
struct FloatSums {
    float v[kBlock];
};

HPE_HD IntSums load_sums(const int32_t* p) {
    IntSums sums;
    memcpy(sums.v, p, sizeof sums.v);
    return sums;
}
HPE_HD void load_weights(const uint8_t* p, IntWeights* w) {
    w->p = reinterpret_cast<const int8_t*>(p);
}
HPE_HD void broadcast(const uint8_t* p, FourBytes* x) {
    for (int k = 0; k < 4; ++k) x->v[k] = p[k];
}
HPE_HD void accumulate(IntSums* sums, const IntWeights& w, const FourBytes& x) {
    for (int i = 0; i < kBlock; ++i)
        for (int k = 0; k < 4; ++k) sums->v[i] += x.v[k] * w.p[4 * i + k];
}
HPE_HD void load_weights(const uint8_t* p, WordWeights* w) {
    w->p = reinterpret_cast<const int16_t*>(p);
}
HPE_HD void broadcast(const uint8_t* p, TwoWords* x) {
    int16_t words[2];
    memcpy(words, p, sizeof words);
    for (int k = 0; k < 2; ++k) x->v[k] = words[k];
}
HPE_HD void accumulate(IntSums* sums, const WordWeights& w, const TwoWords& x) {
    for (int i = 0; i < kBlock; ++i) sums->v[i] += x.v[0] * w.p[2 * i] + x.v[1] * w.p[2 * i + 1];
}
template <typename Number>
HPE_HD void load_pairs(const Number* a, const Number* b, ChannelWords* x) {
    for (int i = 0; i < kBlock; ++i) {
        x->v[i][0] = a[i];
        x->v[i][1] = b[i];
    }
}
HPE_HD void accumulate(IntSums* sums, const WordWeights& w, const ChannelWords& x) {
    for (int i = 0; i < kBlock; ++i) sums->v[i] += x.v[i][0] * w.p[2 * i] + x.v[i][1] * w.p[2 * i + 1];
}

HPE_HD int32_t saturate16(int32_t v) {
    return v < -32768 ? -32768 : v > 32767 ? 32767 : v;
}
HPE_HD int32_t rounded_product(int32_t a, int32_t b) {
    return (a * b + (1 << 14)) >> 15;
}
HPE_HD void requantise(const IntSums& sums, const Requantise& rule, int at, const uint8_t* shortcut, uint8_t* out) {
    for (int i = 0; i < kBlock; ++i) {
        int32_t u = rounded_product(saturate16(sums.v[i] >> rule.shifts[at + i]), rule.multipliers[at + i]);
        if (shortcut) {
            const int32_t other = (shortcut[i] - rule.shortcut_zero) * 128;
            u = saturate16(u + rounded_product(other, rule.shortcut_multiplier));
        }
        if (rule.wide) {
            const int16_t word = static_cast<int16_t>(rule.relu && u < 0 ? 0 : u);
            memcpy(out + 2 * i, &word, sizeof word);
            continue;
        }
        const int32_t level = saturate16(u + rule.offset) >> 4;
        out[i] = static_cast<uint8_t>(level < 0 ? 0 : level > 255 ? 255 : level);
    }
}
HPE_HD void store_scaled(const IntSums& sums, const float* scales, float* out) {
    for (int i = 0; i < kBlock; ++i) out[i] = static_cast<float>(sums.v[i]) * scales[i];
}

HPE_HD FloatSums load_floats(const float* p) {
    FloatSums a;
    memcpy(a.v, p, sizeof a.v);
    return a;
}
HPE_HD void load_weights(const uint8_t* p, FloatSums* w) {
    *w = load_floats(reinterpret_cast<const float*>(p));
}
HPE_HD void broadcast(const uint8_t* p, FloatSums* x) {
    float number;
    memcpy(&number, p, 4);
    for (int i = 0; i < kBlock; ++i) x->v[i] = number;
}
HPE_HD void accumulate(FloatSums* sums, const FloatSums& w, const FloatSums& x) {
    for (int i = 0; i < kBlock; ++i) sums->v[i] += w.v[i] * x.v[i];
}
HPE_HD FloatSums add(const FloatSums& a, const FloatSums& b) {
    FloatSums sum;
    for (int i = 0; i < kBlock; ++i) sum.v[i] = a.v[i] + b.v[i];
    return sum;
}
HPE_HD FloatSums positive(const FloatSums& a) {
    FloatSums out;
    for (int i = 0; i < kBlock; ++i) out.v[i] = a.v[i] > 0.0f ? a.v[i] : 0.0f;
    return out;
}
HPE_HD void store_floats(float* p, const FloatSums& a) {
    memcpy(p, a.v, sizeof a.v);
}

}  // namespace hpe::HPE_ISA

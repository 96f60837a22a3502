// 16 sums in NEON registers. Bytes are taken as signed ones, 128 lower. With HPE_DOTPROD four of them are multiplied
// and added at a time; else products of 16 bits are added in pairs, and a sum is two halves until it is finished.
#pragma once

#include <arm_neon.h>
#include <cstring>

#include "common/hd.h"
#include "network/kernels.h"

namespace hpe::HPE_ISA {

constexpr WeightLayout kWeightLayout = WeightLayout::kBytes;
constexpr bool kSignedBytes = true;
constexpr int kIntWeightBytes = 64;
constexpr int kMostBlocks = 1;
constexpr int kFloatTilePixels[kMostBlocks] = {6};

struct IntWeights {
    int8x16_t v[4];
};
struct FourBytes {
    int8x16_t v;
};
struct WordWeights {
    int16x8_t v[4];
};
struct TwoWords {
    int16x8_t v;
};
struct FloatSums {
    float32x4_t v[4];
};

HPE_HD void load_weights(const uint8_t* p, IntWeights* w) {
    for (int i = 0; i < 4; ++i) w->v[i] = vld1q_s8(reinterpret_cast<const int8_t*>(p) + 16 * i);
}
HPE_HD void load_weights(const uint8_t* p, WordWeights* w) {
    for (int i = 0; i < 4; ++i) w->v[i] = vld1q_s16(reinterpret_cast<const int16_t*>(p) + 8 * i);
}
HPE_HD void broadcast(const uint8_t* p, TwoWords* x) {
    uint32_t word;
    std::memcpy(&word, p, 4);
    x->v = vreinterpretq_s16_u32(vdupq_n_u32(word));
}
HPE_HD void broadcast(const uint8_t* p, FourBytes* x) {
    uint32_t word;
    std::memcpy(&word, p, 4);
    x->v = vreinterpretq_s8_u32(vdupq_n_u32(word ^ 0x80808080u));
}

#if defined(HPE_DOTPROD)
constexpr int kTilePixels[kMostBlocks] = {6};
struct IntSums {
    int32x4_t v[4];
};
HPE_HD IntSums load_sums(const int32_t* p) {
    IntSums sums;
    for (int i = 0; i < 4; ++i) sums.v[i] = vld1q_s32(p + 4 * i);
    return sums;
}
HPE_HD void accumulate(IntSums* sums, const IntWeights& w, FourBytes x) {
    for (int i = 0; i < 4; ++i) sums->v[i] = vdotq_s32(sums->v[i], w.v[i], x.v);
}
HPE_HD void add_to(IntSums* sums, int i, int32x4_t products) {
    sums->v[i] = vaddq_s32(sums->v[i], products);
}
HPE_HD int32x4_t four_sums(const IntSums& sums, int i) {
    return sums.v[i];
}
#else
constexpr int kTilePixels[kMostBlocks] = {3};
struct IntSums {
    int32x4_t v[8];  // of two channels each, every one as two halves
};
HPE_HD void add_to(IntSums* sums, int i, int32x4_t products) {
    const int32x4_t zero = vdupq_n_s32(0);
    sums->v[2 * i] = vaddq_s32(sums->v[2 * i], vzip1q_s32(products, zero));
    sums->v[2 * i + 1] = vaddq_s32(sums->v[2 * i + 1], vzip2q_s32(products, zero));
}
HPE_HD IntSums load_sums(const int32_t* p) {
    IntSums sums;
    for (int i = 0; i < 8; ++i) sums.v[i] = vdupq_n_s32(0);
    for (int i = 0; i < 4; ++i) add_to(&sums, i, vld1q_s32(p + 4 * i));
    return sums;
}
HPE_HD void accumulate(IntSums* sums, const IntWeights& w, FourBytes x) {
    for (int i = 0; i < 4; ++i) {
        sums->v[2 * i] = vpadalq_s16(sums->v[2 * i], vmull_s8(vget_low_s8(w.v[i]), vget_low_s8(x.v)));
        sums->v[2 * i + 1] = vpadalq_s16(sums->v[2 * i + 1], vmull_high_s8(w.v[i], x.v));
    }
}
HPE_HD int32x4_t four_sums(const IntSums& sums, int i) {
    return vpaddq_s32(sums.v[2 * i], sums.v[2 * i + 1]);
}
#endif

HPE_HD void accumulate(IntSums* sums, const WordWeights& w, TwoWords x) {
    for (int i = 0; i < 4; ++i)
        add_to(sums, i, vpaddq_s32(vmull_s16(vget_low_s16(w.v[i]), vget_low_s16(x.v)), vmull_high_s16(w.v[i], x.v)));
}
HPE_HD void add_lanes(IntSums* sums, int i, int16x8_t x, const int16_t* weights) {
    const int16x8_t w = vld1q_s16(weights + 8 * i);
    add_to(sums, 2 * i, vmull_s16(vget_low_s16(x), vget_low_s16(w)));
    add_to(sums, 2 * i + 1, vmull_high_s16(x, w));
}
HPE_HD void add_products(IntSums* sums, const int16_t* weights, const uint8_t* values) {
    for (int i = 0; i < 2; ++i) add_lanes(sums, i, vreinterpretq_s16_u16(vmovl_u8(vld1_u8(values + 8 * i))), weights);
}
HPE_HD void add_products(IntSums* sums, const int16_t* weights, const int16_t* values) {
    for (int i = 0; i < 2; ++i) add_lanes(sums, i, vld1q_s16(values + 8 * i), weights);
}

HPE_HD void requantise(const IntSums& sums, const Requantise& rule, int at, const uint8_t* shortcut, uint8_t* out) {
    for (int i = 0; i < 2; ++i) {
        const int c = at + 8 * i;
        const int32x4_t low = vshlq_s32(four_sums(sums, 2 * i), vnegq_s32(vld1q_s32(rule.shifts + c)));
        const int32x4_t high = vshlq_s32(four_sums(sums, 2 * i + 1), vnegq_s32(vld1q_s32(rule.shifts + c + 4)));
        int16x8_t u = vqrdmulhq_s16(vcombine_s16(vqmovn_s32(low), vqmovn_s32(high)), vld1q_s16(rule.multipliers + c));
        if (shortcut) {
            const int16x8_t other =
                vsubq_s16(vreinterpretq_s16_u16(vmovl_u8(vld1_u8(shortcut + 8 * i))), vdupq_n_s16(rule.shortcut_zero));
            u = vqaddq_s16(u, vqrdmulhq_s16(vshlq_n_s16(other, 7), vdupq_n_s16(rule.shortcut_multiplier)));
        }
        if (rule.wide) {
            if (rule.relu) u = vmaxq_s16(u, vdupq_n_s16(0));
            vst1q_s16(reinterpret_cast<int16_t*>(out) + 8 * i, u);
            continue;
        }
        vst1_u8(out + 8 * i, vqmovun_s16(vshrq_n_s16(vqaddq_s16(u, vdupq_n_s16(rule.offset)), 4)));
    }
}
HPE_HD void store_scaled(const IntSums& sums, const float* scales, float* out) {
    for (int i = 0; i < 4; ++i)
        vst1q_f32(out + 4 * i, vmulq_f32(vcvtq_f32_s32(four_sums(sums, i)), vld1q_f32(scales + 4 * i)));
}

HPE_HD FloatSums load_floats(const float* p) {
    FloatSums a;
    for (int i = 0; i < 4; ++i) a.v[i] = vld1q_f32(p + 4 * i);
    return a;
}
HPE_HD void load_weights(const uint8_t* p, FloatSums* w) {
    *w = load_floats(reinterpret_cast<const float*>(p));
}
HPE_HD void broadcast(const uint8_t* p, FloatSums* x) {
    float number;
    std::memcpy(&number, p, 4);
    for (int i = 0; i < 4; ++i) x->v[i] = vdupq_n_f32(number);
}
HPE_HD void accumulate(FloatSums* sums, const FloatSums& w, const FloatSums& x) {
    for (int i = 0; i < 4; ++i) sums->v[i] = vfmaq_f32(sums->v[i], w.v[i], x.v[i]);
}
HPE_HD FloatSums add(const FloatSums& a, const FloatSums& b) {
    FloatSums sum;
    for (int i = 0; i < 4; ++i) sum.v[i] = vaddq_f32(a.v[i], b.v[i]);
    return sum;
}
HPE_HD FloatSums positive(const FloatSums& a) {
    FloatSums out;
    for (int i = 0; i < 4; ++i) out.v[i] = vmaxq_f32(a.v[i], vdupq_n_f32(0.0f));
    return out;
}
HPE_HD void store_floats(float* p, const FloatSums& a) {
    for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, a.v[i]);
}

}  // namespace hpe::HPE_ISA

// 16 floats in four NEON registers (aarch64).
#pragma once

#include <arm_neon.h>

#include "common/half.h"
#include "cpu/kernels.h"

namespace hpe::HPE_ISA {

struct Vec {
    float32x4_t q[4];
};

HPE_HD Vec load(const float* p) {
    return {{vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)}};
}
HPE_HD Vec load(const uint8_t* p) {
    const uint8x16_t bytes = vld1q_u8(p);
    const uint16x8_t low = vmovl_u8(vget_low_u8(bytes)), high = vmovl_u8(vget_high_u8(bytes));
    return {{vcvtq_f32_u32(vmovl_u16(vget_low_u16(low))), vcvtq_f32_u32(vmovl_u16(vget_high_u16(low))),
             vcvtq_f32_u32(vmovl_u16(vget_low_u16(high))), vcvtq_f32_u32(vmovl_u16(vget_high_u16(high)))}};
}
// The first n < 16 values, then `rest`.
HPE_HD Vec load_first(const float* p, int n, float rest) {
    float whole[16];
    for (int i = 0; i < 16; ++i) whole[i] = i < n ? p[i] : rest;
    return load(whole);
}
HPE_HD Vec splat(float x) {
    const float32x4_t v = vdupq_n_f32(x);
    return {{v, v, v, v}};
}
HPE_HD Vec mul(const Vec& a, const Vec& b) {
    return {
        {vmulq_f32(a.q[0], b.q[0]), vmulq_f32(a.q[1], b.q[1]), vmulq_f32(a.q[2], b.q[2]), vmulq_f32(a.q[3], b.q[3])}};
}
HPE_HD Vec sub(const Vec& a, const Vec& b) {
    return {
        {vsubq_f32(a.q[0], b.q[0]), vsubq_f32(a.q[1], b.q[1]), vsubq_f32(a.q[2], b.q[2]), vsubq_f32(a.q[3], b.q[3])}};
}
HPE_HD Vec add(const Vec& a, const Vec& b) {
    return {
        {vaddq_f32(a.q[0], b.q[0]), vaddq_f32(a.q[1], b.q[1]), vaddq_f32(a.q[2], b.q[2]), vaddq_f32(a.q[3], b.q[3])}};
}
HPE_HD Vec maximum(const Vec& a, const Vec& b) {
    return {
        {vmaxq_f32(a.q[0], b.q[0]), vmaxq_f32(a.q[1], b.q[1]), vmaxq_f32(a.q[2], b.q[2]), vmaxq_f32(a.q[3], b.q[3])}};
}
HPE_HD void fill(Vec* a, float x) {
    *a = splat(x);
}
HPE_HD float sum_of(const Vec& a) {
    const float32x4_t four = vaddq_f32(vaddq_f32(a.q[0], a.q[2]), vaddq_f32(a.q[1], a.q[3]));
    const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}
HPE_HD float maximum_of(const Vec& a) {
    return vmaxvq_f32(vmaxq_f32(vmaxq_f32(a.q[0], a.q[1]), vmaxq_f32(a.q[2], a.q[3])));
}
HPE_HD Vec scale_by_power(const Vec& p, const Vec& shifted, const Vec& x) {
    Vec out;
    for (int i = 0; i < 4; ++i) {
        const int32x4_t n = vaddq_s32(vreinterpretq_s32_f32(shifted.q[i]), vdupq_n_s32(127));
        const float32x4_t scaled = vmulq_f32(p.q[i], vreinterpretq_f32_s32(vshlq_n_s32(n, 23)));
        const uint32x4_t tiny = vcltq_f32(x.q[i], vdupq_n_f32(-87.0f));
        out.q[i] = vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(scaled), tiny));
    }
    return out;
}

HPE_HD void store(float* p, const Vec& a) {
    for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, a.q[i]);
}
HPE_HD void store(Half* p, const Vec& a) {
    for (int i = 0; i < 4; ++i)
        vst1_u16(reinterpret_cast<uint16_t*>(p + 4 * i), vreinterpret_u16_f16(vcvt_f16_f32(a.q[i])));
}
HPE_HD void store(uint8_t* p, const Vec& a) {
    uint16x4_t words[4];
    for (int i = 0; i < 4; ++i) words[i] = vqmovun_s32(vcvtnq_s32_f32(a.q[i]));
    vst1q_u8(p,
             vcombine_u8(vqmovn_u16(vcombine_u16(words[0], words[1])), vqmovn_u16(vcombine_u16(words[2], words[3]))));
}

template <typename T>
HPE_HD void store_first(T* p, const Vec& a, int n) {
    if (n >= 16) return store(p, a);
    T whole[16];
    store(whole, a);
    for (int i = 0; i < n; ++i) p[i] = whole[i];
}

struct Planes {
    Vec c[3];
};

// Puts four (c0, c1, c2, unused) pixels into quarter q of the planes.
HPE_HD void transpose(const float32x4_t* sum, int q, Planes& planes) {
    const float32x4_t low = vtrn1q_f32(sum[0], sum[1]), high = vtrn1q_f32(sum[2], sum[3]);
    const float32x4_t low1 = vtrn2q_f32(sum[0], sum[1]), high1 = vtrn2q_f32(sum[2], sum[3]);
    planes.c[0].q[q] = vcombine_f32(vget_low_f32(low), vget_low_f32(high));
    planes.c[1].q[q] = vcombine_f32(vget_low_f32(low1), vget_low_f32(high1));
    planes.c[2].q[q] = vcombine_f32(vget_high_f32(low), vget_high_f32(high));
}

HPE_HD Planes sample_columns(const float* row, const int* first, const float* weight, int taps, int stride) {
    Planes planes;
    for (int q = 0; q < 4; ++q) {
        float32x4_t sum[4];
        for (int g = 0; g < 4; ++g) sum[g] = vdupq_n_f32(0.0f);
        for (int k = 0; k < taps; ++k) {
            const float* base = row + 3 * k;
            const float* w = weight + k * stride + 4 * q;
            for (int g = 0; g < 4; ++g)
                sum[g] = vaddq_f32(sum[g], vmulq_n_f32(vld1q_f32(base + 3 * first[4 * q + g]), w[g]));
        }
        transpose(sum, q, planes);
    }
    return planes;
}

// The weighed sum of two neighbouring pixels; the fourth number means nothing.
template <bool kNumbers>
HPE_HD int32x4_t weigh_pair(int32x4_t sum, const uint8_t* p, uint32_t weights) {
    const int16x8_t both = kNumbers ? vreinterpretq_s16_u8(vld1q_u8(p)) : vreinterpretq_s16_u16(vmovl_u8(vld1_u8(p)));
    sum = vmlal_n_s16(sum, vget_low_s16(both), static_cast<int16_t>(weights & 0xffffu));
    return vmlal_n_s16(sum, vget_low_s16(vextq_s16(both, both, 3)), static_cast<int16_t>(weights >> 16));
}

template <bool kNumbers>
HPE_HD Planes sample_points(const uint8_t* source, ptrdiff_t row_stride_bytes, const TurnedPoints& points) {
    Planes planes;
    for (int q = 0; q < 4; ++q) {
        float32x4_t sum[4];
        for (int g = 0; g < 4; ++g) {
            const int l = 4 * q + g;
            const uint8_t* p = source + points.offset[l];
            const int32x4_t upper = weigh_pair<kNumbers>(vdupq_n_s32(0), p, points.upper[l]);
            sum[g] = vcvtq_f32_s32(weigh_pair<kNumbers>(upper, p + row_stride_bytes, points.lower[l]));
        }
        transpose(sum, q, planes);
    }
    return planes;
}

}  // namespace hpe::HPE_ISA

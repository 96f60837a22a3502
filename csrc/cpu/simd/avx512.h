// 16 floats in one AVX-512 register.
#pragma once

#include <immintrin.h>

#include "common/half.h"
#include "cpu/kernels.h"

namespace hpe::HPE_ISA {

struct Vec {
    __m512 v;
};

HPE_HD Vec load(const float* p) {
    return {_mm512_loadu_ps(p)};
}
HPE_HD Vec load(const uint8_t* p) {
    return {_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
}
// The first n < 16 values, then `rest`.
HPE_HD Vec load_first(const float* p, int n, float rest) {
    return {_mm512_mask_loadu_ps(_mm512_set1_ps(rest), static_cast<__mmask16>((1 << n) - 1), p)};
}
HPE_HD Vec splat(float x) {
    return {_mm512_set1_ps(x)};
}
HPE_HD Vec mul(Vec a, Vec b) {
    return {_mm512_mul_ps(a.v, b.v)};
}
HPE_HD Vec sub(Vec a, Vec b) {
    return {_mm512_sub_ps(a.v, b.v)};
}
HPE_HD Vec add(Vec a, Vec b) {
    return {_mm512_add_ps(a.v, b.v)};
}
HPE_HD Vec maximum(Vec a, Vec b) {
    return {_mm512_max_ps(a.v, b.v)};
}
HPE_HD void fill(Vec* a, float x) {
    a->v = _mm512_set1_ps(x);
}
HPE_HD float sum_of(Vec a) {
    // _mm512_reduce_add_ps leaves the order to the compiler.
    const __m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(a.v), 1));
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.v), high);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    four = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
}
HPE_HD float maximum_of(Vec a) {
    return _mm512_reduce_max_ps(a.v);
}
HPE_HD Vec scale_by_power(Vec p, Vec shifted, Vec x) {
    const __m512i n = _mm512_add_epi32(_mm512_castps_si512(shifted.v), _mm512_set1_epi32(127));
    const __m512 power = _mm512_castsi512_ps(_mm512_slli_epi32(n, 23));
    const __mmask16 tiny = _mm512_cmp_ps_mask(x.v, _mm512_set1_ps(-87.0f), _CMP_LT_OQ);
    return {_mm512_mask_mul_ps(_mm512_mul_ps(p.v, power), tiny, _mm512_setzero_ps(), _mm512_setzero_ps())};
}

HPE_HD void store(float* p, Vec a) {
    _mm512_storeu_ps(p, a.v);
}

HPE_HD __mmask16 first_lanes(int n) {
    return static_cast<__mmask16>(n >= 16 ? 0xffff : (1 << n) - 1);
}
HPE_HD void store_first(float* p, Vec a, int n) {
    if (n >= 16) return _mm512_storeu_ps(p, a.v);
    _mm512_mask_storeu_ps(p, first_lanes(n), a.v);
}
HPE_HD void store_first(Half* p, Vec a, int n) {
    _mm256_mask_storeu_epi16(p, first_lanes(n), _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT));
}
HPE_HD void store_first(uint8_t* p, Vec a, int n) {
    const __m512 level = _mm512_max_ps(a.v, _mm512_setzero_ps());
    _mm_mask_storeu_epi8(p, first_lanes(n), _mm512_cvtusepi32_epi8(_mm512_cvtps_epi32(level)));
}

struct Planes {
    Vec c[3];
};

// Lane l of sum[g] holds output pixel 4 * g + l as (c0, c1, c2, unused).
HPE_HD Planes planes_of(const __m512* sum) {
    const __m512i pick01 = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25, 29);
    const __m512i pick2 = _mm512_setr_epi32(2, 6, 10, 14, 18, 22, 26, 30, 2, 6, 10, 14, 18, 22, 26, 30);
    const __m512 low01 = _mm512_permutex2var_ps(sum[0], pick01, sum[1]);
    const __m512 high01 = _mm512_permutex2var_ps(sum[2], pick01, sum[3]);
    const __m512 low2 = _mm512_permutex2var_ps(sum[0], pick2, sum[1]);
    const __m512 high2 = _mm512_permutex2var_ps(sum[2], pick2, sum[3]);
    return {{{_mm512_shuffle_f32x4(low01, high01, 0x44)},
             {_mm512_shuffle_f32x4(low01, high01, 0xee)},
             {_mm512_shuffle_f32x4(low2, high2, 0x44)}}};
}

// Repeats each of the four values from 4 * g on in a lane of its own.
HPE_HD __m512i spread_index(int g) {
    return _mm512_add_epi32(_mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3),
                            _mm512_set1_epi32(4 * g));
}

HPE_HD Planes sample_columns(const float* row, const int* first, const float* weight, int taps, int stride) {
    __m512 sum[4];
    for (int g = 0; g < 4; ++g) sum[g] = _mm512_setzero_ps();
    for (int k = 0; k < taps; ++k) {
        const __m512 w = _mm512_loadu_ps(weight + k * stride);
        for (int g = 0; g < 4; ++g) {
            const float* base = row + 3 * k;
            // Masked broadcasts from memory leave the shuffle units to the weights.
            __m512 p = _mm512_castps128_ps512(_mm_loadu_ps(base + 3 * first[4 * g]));
            p = _mm512_mask_broadcast_f32x4(p, 0x00f0, _mm_loadu_ps(base + 3 * first[4 * g + 1]));
            p = _mm512_mask_broadcast_f32x4(p, 0x0f00, _mm_loadu_ps(base + 3 * first[4 * g + 2]));
            p = _mm512_mask_broadcast_f32x4(p, 0xf000, _mm_loadu_ps(base + 3 * first[4 * g + 3]));
            sum[g] = _mm512_add_ps(_mm512_mul_ps(_mm512_permutexvar_ps(spread_index(g), w), p), sum[g]);
        }
    }
    return planes_of(sum);
}

// 16 bytes of each of four sample points.
HPE_HD __m512i load_points(const uint8_t* row, const int* offset) {
    const auto at = [&](int l) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + offset[l])); };
    __m512i p = _mm512_castsi128_si512(at(0));
    p = _mm512_mask_broadcast_i32x4(p, 0x00f0, at(1));
    p = _mm512_mask_broadcast_i32x4(p, 0x0f00, at(2));
    return _mm512_mask_broadcast_i32x4(p, 0xf000, at(3));
}

// Bilinear samples. Neighbours lie side by side in 16 bits, so that one instruction weighs and adds them.
template <bool kNumbers>
HPE_HD Planes sample_points(const uint8_t* source, ptrdiff_t row_stride_bytes, const TurnedPoints& points) {
    const __m512i pairs =
        _mm512_broadcast_i32x4(kNumbers ? _mm_setr_epi8(0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11, -1, -1, -1, -1)
                                        : _mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
    const __m512i weigh_upper = _mm512_load_si512(points.upper), weigh_lower = _mm512_load_si512(points.lower);
    __m512 sum[4];
    for (int g = 0; g < 4; ++g) {
        const __m512i spread = spread_index(g);
        const int* offset = points.offset + 4 * g;
        const __m512i upper = _mm512_shuffle_epi8(load_points(source, offset), pairs);
        const __m512i lower = _mm512_shuffle_epi8(load_points(source + row_stride_bytes, offset), pairs);
        sum[g] = _mm512_cvtepi32_ps(
            _mm512_add_epi32(_mm512_madd_epi16(upper, _mm512_permutexvar_epi32(spread, weigh_upper)),
                             _mm512_madd_epi16(lower, _mm512_permutexvar_epi32(spread, weigh_lower))));
    }
    return planes_of(sum);
}

#define HPE_NARROW
constexpr int kNarrowRun = 16;
constexpr int kNarrowSpan = 32;

// 16 interleaved pixels into their planes. Reads 48 floats.
HPE_HD void split_pixels(const float* row, float* c0, float* c1, float* c2) {
    const __m512 a = _mm512_loadu_ps(row), b = _mm512_loadu_ps(row + 16), c = _mm512_loadu_ps(row + 32);
    // Channel 0 of 16 pixels lies at 0, 3, .. 45: the first eleven in a and b, the rest in c.
    const __m512i low0 = _mm512_setr_epi32(0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 0, 0, 0, 0, 0);
    const __m512i low1 = _mm512_setr_epi32(1, 4, 7, 10, 13, 16, 19, 22, 25, 28, 31, 0, 0, 0, 0, 0);
    const __m512i low2 = _mm512_setr_epi32(2, 5, 8, 11, 14, 17, 20, 23, 26, 29, 0, 0, 0, 0, 0, 0);
    const __m512i high0 = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 17, 20, 23, 26, 29);
    const __m512i high1 = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 18, 21, 24, 27, 30);
    const __m512i high2 = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 19, 22, 25, 28, 31);
    _mm512_storeu_ps(c0, _mm512_permutex2var_ps(_mm512_permutex2var_ps(a, low0, b), high0, c));
    _mm512_storeu_ps(c1, _mm512_permutex2var_ps(_mm512_permutex2var_ps(a, low1, b), high1, c));
    _mm512_storeu_ps(c2, _mm512_permutex2var_ps(_mm512_permutex2var_ps(a, low2, b), high2, c));
}

// Picks 16 values out of a plane within 32 values of the first.
struct Lookup {
    Lookup(const int* first, int taps) {
        // A load that crosses a cache line takes twice as long, so the lines' starts are preferred.
        base = first[0] & ~15;
        if (first[15] + taps - base > kNarrowSpan) base = first[0];
        index = _mm512_sub_epi32(_mm512_loadu_si512(first), _mm512_set1_epi32(base));
    }

    Vec pick(const float* plane, int tap) const {
        const float* from = plane + base;
        return {_mm512_permutex2var_ps(_mm512_loadu_ps(from), _mm512_add_epi32(index, _mm512_set1_epi32(tap)),
                                       _mm512_loadu_ps(from + 16))};
    }

    int base;
    __m512i index;
};

}  // namespace hpe::HPE_ISA

// 16 floats in two AVX registers.
#pragma once

#include <immintrin.h>

#include "common/half.h"
#include "cpu/kernels.h"

namespace hpe::HPE_ISA {

struct Vec {
    __m256 lo, hi;
};

HPE_HD Vec load(const float* p) {
    return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
HPE_HD __m256 widen(const uint8_t* p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
HPE_HD Vec load(const uint8_t* p) {
    return {widen(p), widen(p + 8)};
}
// The first n < 16 values, then `rest`.
HPE_HD __m256 load_half(const float* p, int n, float rest) {
    const __m256i inside = _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    return _mm256_blendv_ps(_mm256_set1_ps(rest), _mm256_maskload_ps(p, inside), _mm256_castsi256_ps(inside));
}
HPE_HD Vec load_first(const float* p, int n, float rest) {
    return {load_half(p, n, rest), n > 8 ? load_half(p + 8, n - 8, rest) : _mm256_set1_ps(rest)};
}
HPE_HD Vec splat(float x) {
    return {_mm256_set1_ps(x), _mm256_set1_ps(x)};
}
HPE_HD Vec mul(Vec a, Vec b) {
    return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
}
HPE_HD Vec sub(Vec a, Vec b) {
    return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
}
HPE_HD Vec add(Vec a, Vec b) {
    return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}
HPE_HD Vec maximum(Vec a, Vec b) {
    return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)};
}
HPE_HD void fill(Vec* a, float x) {
    *a = splat(x);
}
HPE_HD float sum_of(Vec a) {
    const __m256 eight = _mm256_add_ps(a.lo, a.hi);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    four = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
}
HPE_HD float maximum_of(Vec a) {
    const __m256 eight = _mm256_max_ps(a.lo, a.hi);
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    four = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
}
HPE_HD __m256 scale_half(__m256 p, __m256 shifted, __m256 x) {
    const __m256i n = _mm256_add_epi32(_mm256_castps_si256(shifted), _mm256_set1_epi32(127));
    const __m256 power = _mm256_castsi256_ps(_mm256_slli_epi32(n, 23));
    const __m256 tiny = _mm256_cmp_ps(x, _mm256_set1_ps(-87.0f), _CMP_LT_OQ);
    return _mm256_andnot_ps(tiny, _mm256_mul_ps(p, power));
}
HPE_HD Vec scale_by_power(Vec p, Vec shifted, Vec x) {
    return {scale_half(p.lo, shifted.lo, x.lo), scale_half(p.hi, shifted.hi, x.hi)};
}

HPE_HD void store(float* p, Vec a) {
    _mm256_storeu_ps(p, a.lo);
    _mm256_storeu_ps(p + 8, a.hi);
}
HPE_HD void store(Half* p, Vec a) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(a.lo, _MM_FROUND_TO_NEAREST_INT));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 8), _mm256_cvtps_ph(a.hi, _MM_FROUND_TO_NEAREST_INT));
}
HPE_HD void store(uint8_t* p, Vec a) {
    // packs saturates to 0..255 only from 16 bits: levels beyond 32767 cannot come out of 8-bit frames.
    const __m256i words = _mm256_packs_epi32(_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi));
    const __m256i bytes = _mm256_packus_epi16(words, words);
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 0, 0, 0, 0);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(bytes, order)));
}

template <typename T>
HPE_HD void store_first(T* p, Vec a, int n) {
    if (n >= 16) return store(p, a);
    T whole[16];
    store(whole, a);
    for (int i = 0; i < n; ++i) p[i] = whole[i];
}

struct Planes {
    Vec c[3];
};

struct Planes8 {
    __m256 c[3];
};

// sum[g] holds output pixels g and g + 4, one per half, as (c0, c1, c2, unused).
HPE_HD Planes8 planes_of(const __m256* sum) {
    const __m256 low01 = _mm256_unpacklo_ps(sum[0], sum[1]), high01 = _mm256_unpacklo_ps(sum[2], sum[3]);
    const __m256 low2 = _mm256_unpackhi_ps(sum[0], sum[1]), high2 = _mm256_unpackhi_ps(sum[2], sum[3]);
    return {{_mm256_shuffle_ps(low01, high01, 0x44), _mm256_shuffle_ps(low01, high01, 0xee),
             _mm256_shuffle_ps(low2, high2, 0x44)}};
}

// Repeats values g and g + 4, each in a half of its own.
HPE_HD __m256i spread_index(int g) {
    return _mm256_add_epi32(_mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4), _mm256_set1_epi32(g));
}

HPE_HD Planes8 sample_columns8(const float* row, const int* first, const float* weight, int taps, int stride) {
    __m256 sum[4];
    for (int g = 0; g < 4; ++g) sum[g] = _mm256_setzero_ps();
    for (int k = 0; k < taps; ++k) {
        const __m256 w = _mm256_loadu_ps(weight + k * stride);
        const float* base = row + 3 * k;
        for (int g = 0; g < 4; ++g) {
            const __m256 p = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(base + 3 * first[g])),
                                                  _mm_loadu_ps(base + 3 * first[g + 4]), 1);
            sum[g] = _mm256_add_ps(_mm256_mul_ps(_mm256_permutevar8x32_ps(w, spread_index(g)), p), sum[g]);
        }
    }
    return planes_of(sum);
}

HPE_HD Planes sample_columns(const float* row, const int* first, const float* weight, int taps, int stride) {
    const Planes8 a = sample_columns8(row, first, weight, taps, stride);
    const Planes8 b = sample_columns8(row, first + 8, weight + 8, taps, stride);
    return {{{a.c[0], b.c[0]}, {a.c[1], b.c[1]}, {a.c[2], b.c[2]}}};
}

// 16 bytes of each of two sample points.
HPE_HD __m256i load_points(const uint8_t* first, const uint8_t* second) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(first))),
                                   _mm_loadu_si128(reinterpret_cast<const __m128i*>(second)), 1);
}

// Bilinear samples. Neighbours lie side by side in 16 bits, so that one instruction weighs and adds them.
template <bool kNumbers>
HPE_HD Planes8 sample_points8(const uint8_t* source, ptrdiff_t row_stride_bytes, const TurnedPoints& points, int from) {
    const __m256i pairs =
        _mm256_broadcastsi128_si256(kNumbers ? _mm_setr_epi8(0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11, -1, -1, -1, -1)
                                             : _mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
    const __m256i weigh_upper = _mm256_load_si256(reinterpret_cast<const __m256i*>(points.upper + from));
    const __m256i weigh_lower = _mm256_load_si256(reinterpret_cast<const __m256i*>(points.lower + from));
    __m256 sum[4];
    for (int g = 0; g < 4; ++g) {
        const __m256i spread = spread_index(g);
        const uint8_t* first = source + points.offset[from + g];
        const uint8_t* second = source + points.offset[from + g + 4];
        const __m256i upper = _mm256_shuffle_epi8(load_points(first, second), pairs);
        const __m256i lower =
            _mm256_shuffle_epi8(load_points(first + row_stride_bytes, second + row_stride_bytes), pairs);
        sum[g] = _mm256_cvtepi32_ps(
            _mm256_add_epi32(_mm256_madd_epi16(upper, _mm256_permutevar8x32_epi32(weigh_upper, spread)),
                             _mm256_madd_epi16(lower, _mm256_permutevar8x32_epi32(weigh_lower, spread))));
    }
    return planes_of(sum);
}

template <bool kNumbers>
HPE_HD Planes sample_points(const uint8_t* source, ptrdiff_t row_stride_bytes, const TurnedPoints& points) {
    const Planes8 a = sample_points8<kNumbers>(source, row_stride_bytes, points, 0);
    const Planes8 b = sample_points8<kNumbers>(source, row_stride_bytes, points, 8);
    return {{{a.c[0], b.c[0]}, {a.c[1], b.c[1]}, {a.c[2], b.c[2]}}};
}

#define HPE_NARROW
constexpr int kNarrowRun = 8;
constexpr int kNarrowSpan = 8;

// 8 interleaved pixels into their planes. A channel's values lie at different places in the three registers, because 3
// and 8 have no common factor: two blends bring them together, one permutation into order.
HPE_HD void split_pixels8(const float* row, float* c0, float* c1, float* c2) {
    const __m256 a = _mm256_loadu_ps(row), b = _mm256_loadu_ps(row + 8), c = _mm256_loadu_ps(row + 16);
    const __m256 mixed0 = _mm256_blend_ps(_mm256_blend_ps(a, b, 0x92), c, 0x24);
    const __m256 mixed1 = _mm256_blend_ps(_mm256_blend_ps(a, b, 0x24), c, 0x49);
    const __m256 mixed2 = _mm256_blend_ps(_mm256_blend_ps(a, b, 0x49), c, 0x92);
    _mm256_storeu_ps(c0, _mm256_permutevar8x32_ps(mixed0, _mm256_setr_epi32(0, 3, 6, 1, 4, 7, 2, 5)));
    _mm256_storeu_ps(c1, _mm256_permutevar8x32_ps(mixed1, _mm256_setr_epi32(1, 4, 7, 2, 5, 0, 3, 6)));
    _mm256_storeu_ps(c2, _mm256_permutevar8x32_ps(mixed2, _mm256_setr_epi32(2, 5, 0, 3, 6, 1, 4, 7)));
}

HPE_HD void split_pixels(const float* row, float* c0, float* c1, float* c2) {
    split_pixels8(row, c0, c1, c2);
    split_pixels8(row + 24, c0 + 8, c1 + 8, c2 + 8);
}

// Picks two runs of 8 values out of a plane, each within 8 values of its first.
struct Lookup {
    Lookup(const int* first, int) {
        for (int half = 0; half < 2; ++half) {
            const int* run = first + 8 * half;
            base[half] = run[0];
            index[half] =
                _mm256_sub_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(run)), _mm256_set1_epi32(run[0]));
        }
    }

    Vec pick(const float* plane, int tap) const {
        const __m256i shift = _mm256_set1_epi32(tap);
        return {_mm256_permutevar8x32_ps(_mm256_loadu_ps(plane + base[0]), _mm256_add_epi32(index[0], shift)),
                _mm256_permutevar8x32_ps(_mm256_loadu_ps(plane + base[1]), _mm256_add_epi32(index[1], shift))};
    }

    int base[2];
    __m256i index[2];
};

}  // namespace hpe::HPE_ISA

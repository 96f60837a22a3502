// 16 sums in one AVX-512 register; VNNI multiplies and adds four bytes at a time.
#pragma once

#include <immintrin.h>
#include <cstring>

#include "common/hd.h"
#include "network/kernels.h"

namespace hpe::HPE_ISA {

constexpr WeightLayout kWeightLayout = WeightLayout::kBytes;
constexpr bool kSignedBytes = false;
constexpr int kIntWeightBytes = 64;
constexpr int kMostBlocks = 3;
// Measured: {14, 14, 7}, which uses all registers, takes 1.4 times as long.
constexpr int kTilePixels[kMostBlocks] = {8, 8, 4};
constexpr int kFloatTilePixels[kMostBlocks] = {8, 8, 4};

struct IntSums {
    __m512i v;
};
struct IntWeights {
    __m512i v;
};
struct FourBytes {
    __m512i v;
};
struct WordWeights {
    __m512i v;
};
struct TwoWords {
    __m512i v;
};
struct FloatSums {
    __m512 v;
};

HPE_HD IntSums load_sums(const int32_t* p) {
    return {_mm512_loadu_si512(p)};
}
HPE_HD void load_weights(const uint8_t* p, IntWeights* w) {
    w->v = _mm512_load_si512(p);
}
HPE_HD __m512i broadcast_word(const uint8_t* p) {
    int word;
    std::memcpy(&word, p, 4);
    return _mm512_set1_epi32(word);
}
HPE_HD void broadcast(const uint8_t* p, FourBytes* x) {
    x->v = broadcast_word(p);
}
HPE_HD void load_weights(const uint8_t* p, WordWeights* w) {
    w->v = _mm512_load_si512(p);
}
HPE_HD void broadcast(const uint8_t* p, TwoWords* x) {
    x->v = broadcast_word(p);
}
HPE_HD void accumulate(IntSums* sums, WordWeights w, TwoWords x) {
    sums->v = _mm512_dpwssd_epi32(sums->v, x.v, w.v);
}
HPE_HD void accumulate(IntSums* sums, IntWeights w, FourBytes x) {
    sums->v = _mm512_dpbusd_epi32(sums->v, x.v, w.v);
}
// The upper halves of the values' lanes are 0, and so are their products.
HPE_HD void add_lanes(IntSums* sums, __m512i values, const int16_t* weights) {
    const __m512i w = _mm512_cvtepi16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights)));
    sums->v = _mm512_add_epi32(sums->v, _mm512_madd_epi16(values, w));
}
HPE_HD void add_products(IntSums* sums, const int16_t* weights, const uint8_t* values) {
    add_lanes(sums, _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(values))), weights);
}
HPE_HD void add_products(IntSums* sums, const int16_t* weights, const int16_t* values) {
    add_lanes(sums, _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(values))), weights);
}

HPE_HD void requantise(IntSums sums, const Requantise& rule, int at, const uint8_t* shortcut, uint8_t* out) {
    const __m512i shifted = _mm512_srav_epi32(sums.v, _mm512_loadu_si512(rule.shifts + at));
    const __m256i multipliers = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rule.multipliers + at));
    __m256i u = _mm256_mulhrs_epi16(_mm512_cvtsepi32_epi16(shifted), multipliers);
    if (shortcut) {
        const __m256i other =
            _mm256_sub_epi16(_mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(shortcut))),
                             _mm256_set1_epi16(rule.shortcut_zero));
        u = _mm256_adds_epi16(
            u, _mm256_mulhrs_epi16(_mm256_slli_epi16(other, 7), _mm256_set1_epi16(rule.shortcut_multiplier)));
    }
    if (rule.wide) {
        if (rule.relu) u = _mm256_max_epi16(u, _mm256_setzero_si256());
        return _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), u);
    }
    const __m256i level = _mm256_srai_epi16(_mm256_adds_epi16(u, _mm256_set1_epi16(rule.offset)), 4);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out),
                     _mm_packus_epi16(_mm256_castsi256_si128(level), _mm256_extracti128_si256(level, 1)));
}
HPE_HD void store_scaled(IntSums sums, const float* scales, float* out) {
    _mm512_storeu_ps(out, _mm512_mul_ps(_mm512_cvtepi32_ps(sums.v), _mm512_loadu_ps(scales)));
}

HPE_HD FloatSums load_floats(const float* p) {
    return {_mm512_loadu_ps(p)};
}
HPE_HD void load_weights(const uint8_t* p, FloatSums* w) {
    w->v = _mm512_load_ps(p);
}
HPE_HD void broadcast(const uint8_t* p, FloatSums* x) {
    float number;
    std::memcpy(&number, p, 4);
    x->v = _mm512_set1_ps(number);
}
HPE_HD void accumulate(FloatSums* sums, FloatSums w, FloatSums x) {
    sums->v = _mm512_fmadd_ps(w.v, x.v, sums->v);
}
HPE_HD FloatSums add(FloatSums a, FloatSums b) {
    return {_mm512_add_ps(a.v, b.v)};
}
HPE_HD FloatSums positive(FloatSums a) {
    return {_mm512_max_ps(a.v, _mm512_setzero_ps())};
}
HPE_HD void store_floats(float* p, FloatSums a) {
    _mm512_storeu_ps(p, a.v);
}

}  // namespace hpe::HPE_ISA

// 16 sums in two AVX2 registers. Bytes are widened to 16 bits before they are multiplied: vpmaddubsw would saturate.
// With HPE_AVX_VNNI four bytes are multiplied and added at a time.
#pragma once

#include <immintrin.h>
#include <cstring>

#include "common/hd.h"
#include "network/kernels.h"

namespace hpe::HPE_ISA {

constexpr int kMostBlocks = 1;
constexpr int kTilePixels[kMostBlocks] = {3};
constexpr int kFloatTilePixels[kMostBlocks] = {6};
constexpr bool kSignedBytes = false;

struct IntSums {
    __m256i v[2];
};
struct FloatSums {
    __m256 v[2];
};

HPE_HD __m256i load256(const void* p) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}

HPE_HD __m256i broadcast_word(const uint8_t* p) {
    int word;
    std::memcpy(&word, p, 4);
    return _mm256_set1_epi32(word);
}

#if defined(HPE_AVX_VNNI)
constexpr WeightLayout kWeightLayout = WeightLayout::kBytes;
constexpr int kIntWeightBytes = 64;
struct IntWeights {
    __m256i v[2];
};
struct FourBytes {
    __m256i v;
};
HPE_HD void load_weights(const uint8_t* p, IntWeights* w) {
    for (int i = 0; i < 2; ++i) w->v[i] = load256(p + 32 * i);
}
HPE_HD void broadcast(const uint8_t* p, FourBytes* x) {
    x->v = broadcast_word(p);
}
HPE_HD void accumulate(IntSums* sums, const IntWeights& w, FourBytes x) {
    for (int i = 0; i < 2; ++i) sums->v[i] = _mm256_dpbusd_avx_epi32(sums->v[i], x.v, w.v[i]);
}
#else
constexpr WeightLayout kWeightLayout = WeightLayout::kWords;
constexpr int kIntWeightBytes = 128;
// Left in memory, from where they are multiplied: there are no registers for them.
struct IntWeights {
    const uint8_t* p;
};
struct FourBytes {
    __m256i even, odd;  // bytes 0 and 2, 1 and 3
};
HPE_HD void load_weights(const uint8_t* p, IntWeights* w) {
    w->p = p;
}
HPE_HD void broadcast(const uint8_t* p, FourBytes* x) {
    const __m256i bytes = broadcast_word(p);
    x->even = _mm256_and_si256(bytes, _mm256_set1_epi16(255));
    x->odd = _mm256_srli_epi16(bytes, 8);
}
HPE_HD void accumulate(IntSums* sums, const IntWeights& w, const FourBytes& x) {
    for (int i = 0; i < 2; ++i) {
        const __m256i even = _mm256_madd_epi16(x.even, load256(w.p + 32 * i));
        const __m256i odd = _mm256_madd_epi16(x.odd, load256(w.p + 64 + 32 * i));
        sums->v[i] = _mm256_add_epi32(_mm256_add_epi32(sums->v[i], even), odd);
    }
}
#endif

HPE_HD IntSums load_sums(const int32_t* p) {
    return {{load256(p), load256(p + 8)}};
}

struct WordWeights {
    const uint8_t* p;
};
struct TwoWords {
    __m256i v;
};
HPE_HD void load_weights(const uint8_t* p, WordWeights* w) {
    w->p = p;
}
HPE_HD void broadcast(const uint8_t* p, TwoWords* x) {
    x->v = broadcast_word(p);
}
HPE_HD void accumulate(IntSums* sums, WordWeights w, TwoWords x) {
    for (int i = 0; i < 2; ++i)
        sums->v[i] = _mm256_add_epi32(sums->v[i], _mm256_madd_epi16(x.v, load256(w.p + 32 * i)));
}

// The upper halves of the values' lanes are 0, and so are their products.
HPE_HD void add_lanes(IntSums* sums, int i, __m256i values, const int16_t* weights) {
    const __m256i w = _mm256_cvtepi16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(weights + 8 * i)));
    sums->v[i] = _mm256_add_epi32(sums->v[i], _mm256_madd_epi16(values, w));
}
HPE_HD void add_products(IntSums* sums, const int16_t* weights, const uint8_t* values) {
    for (int i = 0; i < 2; ++i)
        add_lanes(sums, i, _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(values + 8 * i))),
                  weights);
}
HPE_HD void add_products(IntSums* sums, const int16_t* weights, const int16_t* values) {
    for (int i = 0; i < 2; ++i)
        add_lanes(sums, i, _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(values + 8 * i))),
                  weights);
}

HPE_HD void requantise(const IntSums& sums, const Requantise& rule, int at, const uint8_t* shortcut, uint8_t* out) {
    const __m256i low = _mm256_srav_epi32(sums.v[0], load256(rule.shifts + at));
    const __m256i high = _mm256_srav_epi32(sums.v[1], load256(rule.shifts + at + 8));
    const __m256i t = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
    __m256i u = _mm256_mulhrs_epi16(t, load256(rule.multipliers + at));
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
HPE_HD void store_scaled(const IntSums& sums, const float* scales, float* out) {
    for (int i = 0; i < 2; ++i)
        _mm256_storeu_ps(out + 8 * i, _mm256_mul_ps(_mm256_cvtepi32_ps(sums.v[i]), _mm256_loadu_ps(scales + 8 * i)));
}

HPE_HD FloatSums load_floats(const float* p) {
    return {{_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}};
}
HPE_HD void load_weights(const uint8_t* p, FloatSums* w) {
    *w = load_floats(reinterpret_cast<const float*>(p));
}
HPE_HD void broadcast(const uint8_t* p, FloatSums* x) {
    float number;
    std::memcpy(&number, p, 4);
    x->v[0] = x->v[1] = _mm256_set1_ps(number);
}
HPE_HD void accumulate(FloatSums* sums, const FloatSums& w, const FloatSums& x) {
    for (int i = 0; i < 2; ++i) sums->v[i] = _mm256_fmadd_ps(w.v[i], x.v[i], sums->v[i]);
}
HPE_HD FloatSums add(const FloatSums& a, const FloatSums& b) {
    return {{_mm256_add_ps(a.v[0], b.v[0]), _mm256_add_ps(a.v[1], b.v[1])}};
}
HPE_HD FloatSums positive(const FloatSums& a) {
    const __m256 zero = _mm256_setzero_ps();
    return {{_mm256_max_ps(a.v[0], zero), _mm256_max_ps(a.v[1], zero)}};
}
HPE_HD void store_floats(float* p, const FloatSums& a) {
    _mm256_storeu_ps(p, a.v[0]);
    _mm256_storeu_ps(p + 8, a.v[1]);
}

}  // namespace hpe::HPE_ISA

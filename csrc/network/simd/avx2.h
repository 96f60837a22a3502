// 16 sums in two AVX2 registers. Bytes are widened to 16 bits before they are multiplied: vpmaddubsw would saturate.
// With HPE_AVX_VNNI four bytes are multiplied and added at a time.
#pragma once

#include <immintrin.h>
#include <cstring>

#include "common/hd.h"
#include "network/kernels.h"

namespace hpe::HPE_ISA {

constexpr int kMostBlocks = 1;
#if defined(HPE_AVX_VNNI)
constexpr int kTilePixels[kMostBlocks] = {6};
#else
constexpr int kTilePixels[kMostBlocks] = {3};
#endif
constexpr int kFloatTilePixels[kMostBlocks] = {6};
constexpr int kChannelPixels = 4;
constexpr bool kSignedBytes = false;

struct IntSums {
    __m256i v[2];
};
struct FloatSums {
    __m256 v[2];
};
struct WordWeights {
    const uint8_t* p;
};
struct TwoWords {
    __m256i v;
};
struct ChannelWords {
    __m256i v[2];
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
using QuickWeights = IntWeights;
using QuickBytes = FourBytes;
HPE_HD void add_words(IntSums* sums, int i, __m256i w, __m256i x) {
    sums->v[i] = _mm256_dpwssd_avx_epi32(sums->v[i], x, w);
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
HPE_HD void add_words(IntSums* sums, int i, __m256i w, __m256i x) {
    sums->v[i] = _mm256_add_epi32(sums->v[i], _mm256_madd_epi16(x, w));
}
struct QuickWeights {
    const uint8_t* p;
};
struct QuickBytes {
    __m256i v;
};
HPE_HD void load_weights(const uint8_t* p, QuickWeights* w) {
    w->p = p;
}
HPE_HD void broadcast(const uint8_t* p, QuickBytes* x) {
    x->v = broadcast_word(p);
}
HPE_HD void accumulate(IntSums* sums, QuickWeights w, QuickBytes x) {
    for (int i = 0; i < 2; ++i)
        add_words(sums, i, _mm256_set1_epi16(1), _mm256_maddubs_epi16(x.v, load256(w.p + 32 * i)));
}
#endif

HPE_HD IntSums load_sums(const int32_t* p) {
    return {{load256(p), load256(p + 8)}};
}

HPE_HD void load_weights(const uint8_t* p, WordWeights* w) {
    w->p = p;
}
HPE_HD void broadcast(const uint8_t* p, TwoWords* x) {
    x->v = broadcast_word(p);
}
HPE_HD void accumulate(IntSums* sums, WordWeights w, TwoWords x) {
    for (int i = 0; i < 2; ++i) add_words(sums, i, load256(w.p + 32 * i), x.v);
}
HPE_HD void load_pairs(const uint8_t* a, const uint8_t* b, ChannelWords* x) {
    const __m128i first = _mm_loadu_si128(reinterpret_cast<const __m128i*>(a));
    const __m128i second = _mm_loadu_si128(reinterpret_cast<const __m128i*>(b));
    x->v[0] = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(first, second));
    x->v[1] = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(first, second));
}
HPE_HD void load_pairs(const int16_t* a, const int16_t* b, ChannelWords* x) {
    const auto words = [](const int16_t* p) {
        return _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    };
    for (int i = 0; i < 2; ++i) x->v[i] = _mm256_or_si256(words(a + 8 * i), _mm256_slli_epi32(words(b + 8 * i), 16));
}
HPE_HD void accumulate(IntSums* sums, WordWeights w, const ChannelWords& x) {
    for (int i = 0; i < 2; ++i) add_words(sums, i, load256(w.p + 32 * i), x.v[i]);
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

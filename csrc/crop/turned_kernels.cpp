// Compiled once per instruction set, as row_kernels.cpp and under its rules.
#include "cpu/kernels.h"
#include "cpu/normalize.h"
#include "cpu/simd/simd.h"

namespace hpe::HPE_ISA {
namespace {

// Plain loops over lanes, which compilers turn into vectors.
template <bool kNumbers>
HPE_HD void place_points(const TurnedRow& row, int column, TurnedPoints& points) {
    constexpr int kPixel = kNumbers ? 6 : 3;  // bytes
    constexpr float kOne = 1 << kWeightBits;
    for (int l = 0; l < kLanes; ++l) {
        const float i = static_cast<float>(column + l);
        const float x = row.x + i * row.step_x, y = row.y + i * row.step_y;
        const int whole_x = static_cast<int>(x), whole_y = static_cast<int>(y);  // neither is below 0
        const float right = x - static_cast<float>(whole_x), lower = (y - static_cast<float>(whole_y)) * kOne;
        points.offset[l] = whole_y * row.row_stride_bytes + whole_x * kPixel;
        const int b = static_cast<int>((kOne - lower) * right + 0.5f);
        const int c = static_cast<int>(lower * (1.0f - right) + 0.5f);
        const int d = static_cast<int>(lower * right + 0.5f);
        const int a = greater((1 << kWeightBits) - b - c - d, 0);  // rounding may have given out one too much
        points.upper[l] = static_cast<uint32_t>(a | b << 16);
        points.lower[l] = static_cast<uint32_t>(c | d << 16);
    }
}

template <bool kNumbers, typename T>
void sample_row(const TurnedRow& row, const PlaneRow<T>& planes) {
    // Offsets are stored as a vector and read one by one, which takes long until the store has reached the cache.
    constexpr int kRunsAhead = 8;
    const Normalize<T> put(planes);
    TurnedPoints points[kRunsAhead];
    // The last run overlaps the one before it, and both write the same values.
    const auto column_of = [&](int run) { return lesser(run * kLanes, row.size - kLanes); };
    const int runs = (row.size + kLanes - 1) / kLanes;
    for (int first = 0; first < runs; first += kRunsAhead) {
        const int count = lesser(kRunsAhead, runs - first);
        for (int r = 0; r < count; ++r) place_points<kNumbers>(row, column_of(first + r), points[r]);
        for (int r = 0; r < count; ++r) {
            const Planes p = sample_points<kNumbers>(row.source, row.row_stride_bytes, points[r]);
            for (int c = 0; c < 3; ++c) put(p.c[c], c, column_of(first + r), kLanes);
        }
    }
}

template <typename T>
void turned_row(const TurnedRow& row, const PlaneRow<T>& planes) {
    row.numbers ? sample_row<true>(row, planes) : sample_row<false>(row, planes);
}

void sum_rows(const uint8_t* const* rows, int taps, int count, uint16_t* sums) {
    const uint8_t *first = rows[0], *second = rows[taps > 1 ? 1 : 0];
    if (taps == 1)
        for (int i = 0; i < count; ++i) sums[i] = first[i];
    else
        for (int i = 0; i < count; ++i) sums[i] = static_cast<uint16_t>(first[i] + second[i]);
    for (int k = 2; k < taps; ++k) {
        const uint8_t* row = rows[k];
        for (int i = 0; i < count; ++i) sums[i] = static_cast<uint16_t>(sums[i] + row[i]);
    }
}

// Four 16-bit numbers in a word, the last of the next pixel. The others do not overflow, so they are added as one.
uint64_t load_word(const uint16_t* p) {
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

// Writes a number too many, which the next pixel replaces.
template <int kTaps>
void sum_few(const uint16_t* pixels, int taps, int count, int shift, uint16_t* out) {
    for (int i = 0; i < count; ++i, pixels += 3 * (kTaps > 0 ? kTaps : taps), out += 3) {
        uint64_t sum = load_word(pixels);
        for (int k = 1; k < (kTaps > 0 ? kTaps : taps); ++k) sum += load_word(pixels + 3 * k);
        sum <<= shift;
        memcpy(out, &sum, 8);
    }
}

// As sum_few, divided by a power of two: each number is shifted by itself, and what that brings in from the one above
// is cut off.
void sum_many(const uint16_t* pixels, int taps, int count, int shift, uint16_t* out) {
    constexpr uint64_t kOnes = 0x0001000100010001u;
    const uint64_t half = kOnes << (shift - 1), kept = kOnes * (0xffffu >> shift);
    for (int i = 0; i < count; ++i, pixels += 3 * taps, out += 3) {
        uint64_t sum = 0;
        for (int k = 0; k < taps; ++k) sum += ((load_word(pixels + 3 * k) + half) >> shift) & kept;
        memcpy(out, &sum, 8);
    }
}

void sum_pixels(const uint16_t* pixels, int taps, int step, int count, int shift, uint16_t* out) {
    if (step == 1) {
        const uint16_t* next = pixels + 3;
        if (taps == 1)
            for (int i = 0; i < 3 * count; ++i) out[i] = static_cast<uint16_t>(pixels[i] << shift);
        else
            for (int i = 0; i < 3 * count; ++i) out[i] = static_cast<uint16_t>((pixels[i] + next[i]) << shift);
        return;
    }
    if (shift < 0) return sum_many(pixels, taps, count, -shift, out);
    if (taps == 2) return sum_few<2>(pixels, taps, count, shift, out);
    if (taps == 3) return sum_few<3>(pixels, taps, count, shift, out);
    sum_few<0>(pixels, taps, count, shift, out);
}

}  // namespace

extern const TurnedKernels turned_kernels = {turned_row<float>, turned_row<Half>, turned_row<uint8_t>, sum_rows,
                                             sum_pixels};

}  // namespace hpe::HPE_ISA

// Compiled once per instruction set, as row_kernels.cpp and under its rules.
#include "cpu/kernels.h"
#include "cpu/normalize.h"
#include "cpu/simd/simd.h"

namespace hpe::HPE_ISA {
namespace {

// Plain loops over lanes, which compilers turn into vectors.
template <bool kWide, bool kPatch>
void place_points(const TurnedRow& row, int column, TurnedPoints& points) {
    constexpr int kPixel = kPatch ? 8 : 3;  // bytes
    constexpr float kOne = 1 << kWeightBits;
    float tx[kLanes], ty[kLanes];
    for (int l = 0; l < kLanes; ++l) {
        const float i = static_cast<float>(column + l);
        const float x = row.x + i * row.step_x, y = row.y + i * row.step_y;
        const int whole_x = static_cast<int>(x), whole_y = static_cast<int>(y);  // neither is below 0
        tx[l] = x - static_cast<float>(whole_x);
        ty[l] = y - static_cast<float>(whole_y);
        const int before = kWide ? 1 : 0;
        points.offset[l] = (whole_y - before) * row.row_stride_bytes + (whole_x - before) * kPixel;
    }
    if (!kWide) {
        for (int l = 0; l < kLanes; ++l) {
            const float lower = ty[l] * kOne, right = tx[l];
            const int b = static_cast<int>((kOne - lower) * right + 0.5f);
            const int c = static_cast<int>(lower * (1.0f - right) + 0.5f);
            const int d = static_cast<int>(lower * right + 0.5f);
            const int a = greater((1 << kWeightBits) - b - c - d, 0);  // rounding may have given out one too much
            points.pair[0][l] = static_cast<uint32_t>(a | b << 16);
            points.pair[1][l] = static_cast<uint32_t>(c | d << 16);
        }
        return;
    }
    // four_taps of turned_crop.h
    for (int l = 0; l < kLanes; ++l) {
        const float t = tx[l], slope = row.slope_x;
        const float a = greater(1.0f - (1.0f + t) * slope, 0.0f), b = 1.0f - t * slope;
        const float c = greater(1.0f - (1.0f - t) * slope, 0.0f), d = greater(1.0f - (2.0f - t) * slope, 0.0f);
        const float norm = kOne / (a + b + c + d);
        const uint32_t first = static_cast<uint32_t>(static_cast<int>(a * norm + 0.5f));
        const uint32_t third = static_cast<uint32_t>(static_cast<int>(c * norm + 0.5f));
        const uint32_t last = static_cast<uint32_t>(static_cast<int>(d * norm + 0.5f));
        const uint32_t second = (1u << kWeightBits) - first - third - last;
        points.pair[0][l] = first | second << 16;
        points.pair[1][l] = third | last << 16;
    }
    for (int l = 0; l < kLanes; ++l) {
        const float t = ty[l], slope = row.slope_y;
        const float a = greater(1.0f - (1.0f + t) * slope, 0.0f), b = 1.0f - t * slope;
        const float c = greater(1.0f - (1.0f - t) * slope, 0.0f), d = greater(1.0f - (2.0f - t) * slope, 0.0f);
        const float norm = 1.0f / (a + b + c + d);
        points.down[0][l] = a * norm;
        points.down[1][l] = b * norm;
        points.down[2][l] = c * norm;
        points.down[3][l] = d * norm;
    }
}

template <bool kWide, bool kPatch, typename T>
void sample_row(const TurnedRow& row, const PlaneRow<T>& planes) {
    const Normalize<T> put(planes);
    TurnedPoints points;
    for (int at = 0; at < row.size; at += kLanes) {
        // The last run overlaps the one before it, and both write the same values.
        const int column = lesser(at, row.size - kLanes);
        place_points<kWide, kPatch>(row, column, points);
        const Planes p = sample_points<kWide, kPatch>(row.source, row.row_stride_bytes, points);
        for (int c = 0; c < 3; ++c) put(p.c[c], c, column, kLanes);
    }
}

template <typename T>
void turned_row(const TurnedRow& row, const PlaneRow<T>& planes) {
    if (row.wide) return row.patch ? sample_row<true, true>(row, planes) : sample_row<true, false>(row, planes);
    return row.patch ? sample_row<false, true>(row, planes) : sample_row<false, false>(row, planes);
}

void sum_rows(const uint8_t* const* rows, int taps, int count, uint16_t* sums) {
    for (int i = 0; i < count; ++i) sums[i] = rows[0][i];
    for (int k = 1; k < taps; ++k) {
        const uint8_t* row = rows[k];
        for (int i = 0; i < count; ++i) sums[i] = static_cast<uint16_t>(sums[i] + row[i]);
    }
}

// Four 16-bit numbers in a word, of which none overflows, are added as one.
uint64_t load_word(const uint16_t* p) {
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

void sum_pixels(const uint16_t* sums, int taps, int count, int shift, uint64_t* out) {
    constexpr uint64_t kThree = 0x0000ffffffffffffu, kOnes = 0x0001000100010001u;
    if (shift >= 0) {
        for (int i = 0; i < count; ++i) {
            const uint16_t* p = sums + 3 * taps * i;
            uint64_t sum = 0;
            for (int k = 0; k < taps; ++k) sum += load_word(p + 3 * k) & kThree;
            out[i] = sum << shift;
        }
        return;
    }
    // Each number is shifted by itself: what the shift brings in from the one above is cut off.
    const uint64_t half = kOnes << (-shift - 1), kept = kOnes * (0xffffu >> -shift);
    for (int i = 0; i < count; ++i) {
        const uint16_t* p = sums + 3 * taps * i;
        uint64_t sum = 0;
        for (int k = 0; k < taps; ++k) sum += (((load_word(p + 3 * k) & kThree) + half) >> -shift) & kept;
        out[i] = sum;
    }
}

}  // namespace

extern const TurnedKernels turned_kernels = {turned_row<float>, turned_row<Half>, turned_row<uint8_t>, sum_rows,
                                             sum_pixels};

}  // namespace hpe::HPE_ISA

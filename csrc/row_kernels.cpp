// Compiled once per instruction set. No standard-library templates here: their instantiations would be shared between the
// sets by the linker, and AVX-512 code could end up in the baseline path.
#include "kernels.h"

#include "simd/simd.h"

namespace hpe::HPE_ISA {
namespace {

// 48 values hold 16 whole pixels, so the per-channel offset has the same phase in every block.
constexpr int kBlock = 48;

// Each block is summed in registers over all rows, then written once.
template <typename T>
void weigh_block(const T* const* rows, const float* weight, int taps, const float* offsets, int at, float* out) {
    Vec a = load(offsets), b = load(offsets + 16), c = load(offsets + 32);
    for (int k = 0; k < taps; ++k) {
        const Vec w = splat(weight[k]);
        const T* p = rows[k] + at;
        a = fma(w, load(p), a);
        b = fma(w, load(p + 16), b);
        c = fma(w, load(p + 32), c);
    }
    store(out + at, a);
    store(out + at + 16, b);
    store(out + at + 32, c);
}

template <typename T>
void weigh(const T* const* rows, const float* weight, int taps, const float* offset, int count, float* out) {
    float offsets[kBlock];
    for (int i = 0; i < kBlock; ++i) offsets[i] = -offset[i % 3];
    if (count < kBlock) {
        for (int i = 0; i < count; ++i) {
            float sum = offsets[i];
            for (int k = 0; k < taps; ++k) sum += weight[k] * static_cast<float>(rows[k][i]);
            out[i] = sum;
        }
        return;
    }
    int at = 0;
    for (; at + kBlock <= count; at += kBlock) weigh_block(rows, weight, taps, offsets, at, out);
    // The last block overlaps the one before it: nothing is read past the row, and both write the same values.
    if (at < count) weigh_block(rows, weight, taps, offsets, count - kBlock, out);
}

template <int kTaps, typename T>
void resample_taps(const float* row, const ColumnTaps& taps, const PlaneRow<T>& planes) {
    const Vec gain[3] = {splat(planes.gain[0]), splat(planes.gain[1]), splat(planes.gain[2])};
    const Vec bias[3] = {splat(planes.bias[0]), splat(planes.bias[1]), splat(planes.bias[2])};
    const int count = kTaps > 0 ? kTaps : taps.taps;
    for (int i = 0; i < taps.size; i += kLanes) {
        const Planes p = sample_columns(row, taps.first_float + i, taps.weight + i, count, taps.padded_size);
        for (int c = 0; c < 3; ++c)
            store_first(planes.out[c] + i, fma(p.c[c], gain[c], bias[c]), taps.size - i);
    }
}

template <typename T>
void resample(const float* row, const ColumnTaps& taps, const PlaneRow<T>& planes) {
    if (taps.taps == 2)
        resample_taps<2>(row, taps, planes);
    else
        resample_taps<0>(row, taps, planes);
}

}  // namespace

extern const RowKernels row_kernels = {weigh<uint8_t>, weigh<float>, resample<float>, resample<Half>,
                                       resample<uint8_t>};

}  // namespace hpe::HPE_ISA

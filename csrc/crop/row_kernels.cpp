// Compiled once per instruction set. No standard-library templates here: their instantiations would be shared between
// the sets by the linker, and AVX-512 code could end up in the baseline path.
#include "cpu/kernels.h"

#include "cpu/normalize.h"
#include "cpu/simd/simd.h"

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
        a = mul_add(w, load(p), a);
        b = mul_add(w, load(p + 16), b);
        c = mul_add(w, load(p + 32), c);
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
    const Normalize<T> put(planes);
    const int count = kTaps > 0 ? kTaps : taps.taps, size = taps.size;
    for (int i = 0; i < size; i += kLanes) {
        const Planes p = sample_columns(row, taps.first + i, taps.weight + i, count, taps.padded_size);
        for (int c = 0; c < 3; ++c) put(p.c[c], c, i, size - i);
    }
}

#if defined(HPE_NARROW)
template <int kTaps, typename T>
void resample_narrow(const float* row, const ColumnTaps& taps, const PlaneRow<T>& planes) {
    const Normalize<T> put(planes);
    const int count = kTaps > 0 ? kTaps : taps.taps, size = taps.size;
    const int stride = planar_stride(taps.pixels, taps.taps);
    float* const plane[3] = {taps.planar, taps.planar + stride, taps.planar + 2 * stride};
    for (int x = 0; x < taps.pixels; x += kLanes) split_pixels(row + 3 * x, plane[0] + x, plane[1] + x, plane[2] + x);
    for (int i = 0; i < size; i += kLanes) {
        const Lookup at(taps.first + i, count);
        Vec sum[3] = {splat(0.0f), splat(0.0f), splat(0.0f)};
        for (int k = 0; k < count; ++k) {
            const Vec weight = load(taps.weight + k * taps.padded_size + i);
            for (int c = 0; c < 3; ++c) sum[c] = mul_add(weight, at.pick(plane[c], k), sum[c]);
        }
        for (int c = 0; c < 3; ++c) put(sum[c], c, i, size - i);
    }
}
#endif

template <typename T>
void resample(const float* row, const ColumnTaps& taps, const PlaneRow<T>& planes) {
#if defined(HPE_NARROW)
    if (taps.planar) {
        if (taps.taps == 2) return resample_narrow<2>(row, taps, planes);
        return resample_narrow<0>(row, taps, planes);
    }
#endif
    if (taps.taps == 2) return resample_taps<2>(row, taps, planes);
    resample_taps<0>(row, taps, planes);
}

bool place_points(const Frame& frame, const Homography& homography, double u, double v, SamplePoints& points) {
    const double right = frame.width - 1, bottom = frame.height - 1;
    int x[kLanes], y[kLanes];
    int inside = 0;
    for (int l = 0; l < kLanes; ++l) {
        const Point p = map_point(homography, u + l, v);
        const double px = p.x - 0.5, py = p.y - 0.5;
        const bool in = p.visible & (px >= 0) & (py >= 0) & (px < right) & (py < bottom);
        const double cx = in ? px : 0.0, cy = in ? py : 0.0;
        x[l] = static_cast<int>(cx);
        y[l] = static_cast<int>(cy);
        points.tx[l] = static_cast<float>(cx - x[l]);
        points.ty[l] = static_cast<float>(cy - y[l]);
        inside += in;
    }
    if (inside != kLanes) return false;
    for (int l = 0; l < kLanes; ++l) points.upper_left[l] = frame.data + y[l] * frame.row_stride_bytes + 3 * x[l];
    points.row_stride_bytes = frame.row_stride_bytes;
    return true;
}

// Byte `shift / 8` of each word.
void byte_levels(const uint32_t* words, int shift, float* levels) {
    for (int l = 0; l < kLanes; ++l) levels[l] = static_cast<float>(static_cast<int>((words[l] >> shift) & 255u));
}

// Two pixels are six bytes: two overlapping words reach them and nothing beyond. Bytes 0 1 2 3 and 2 3 4 5 (little
// endian, as everything this runs on).
void add_samples(const SamplePoints& points, float weight, SampleSums& sums) {
    uint32_t front[2][kLanes], back[2][kLanes];
    for (int l = 0; l < kLanes; ++l) {
        const uint8_t* p = points.upper_left[l];
        memcpy(&front[0][l], p, 4);
        memcpy(&back[0][l], p + 2, 4);
        p += points.row_stride_bytes;
        memcpy(&front[1][l], p, 4);
        memcpy(&back[1][l], p + 2, 4);
    }
    const Vec tx = load(points.tx), ty = load(points.ty), w = splat(weight);
    for (int c = 0; c < 3; ++c) {
        Vec side[2];
        for (int row = 0; row < 2; ++row) {
            float left[kLanes], right[kLanes];
            byte_levels(front[row], 8 * c, left);
            byte_levels(back[row], 8 * c + 8, right);
            side[row] = mul_add(tx, sub(load(right), load(left)), load(left));
        }
        store(sums.v[c], mul_add(w, mul_add(ty, sub(side[1], side[0]), side[0]), load(sums.v[c])));
    }
}

#if !defined(HPE_NARROW)
constexpr int kNarrowRun = 0;
constexpr int kNarrowSpan = 0;
#endif

}  // namespace

extern const RowKernels row_kernels = {weigh<uint8_t>, weigh<float>, resample<float>, resample<Half>, resample<uint8_t>,
                                       place_points,   add_samples,  kNarrowRun,      kNarrowSpan};

}  // namespace hpe::HPE_ISA

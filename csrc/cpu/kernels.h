// The inner loops, once per instruction set: row_kernels.cpp and decode_kernels.cpp are compiled several times, each
// into its own namespace, and reached only through these tables.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/half.h"
#include "crop/frame.h"
#include "crop/homography.h"

namespace hpe {

constexpr int kLanes = 16;

// An interleaved row is followed by this many readable pixels, a planar one by as many values.
constexpr int kRowSlack = 64;

// Values from one plane of a planar row to the next: whole cache lines.
HPE_HD int planar_stride(int pixels, int taps) {
    return (pixels + taps + kRowSlack) / kLanes * kLanes;
}

// How one output row is sampled: output column i is the sum over k < taps of
// weight[k * padded_size + i] * pixel[first[i] + k].
struct ColumnTaps {
    const int* first;     // [padded_size], never falls
    const float* weight;  // [taps, padded_size], entries past `size` are 0
    int taps;
    int size;
    int padded_size;  // size rounded up to kLanes
    int pixels;       // of the row
    float* planar;    // room for three planes `planar_stride` apart, when the taps are narrow; else null
};

// The planes of one output row, in the order of the row's own channels, with their normalisation.
template <typename T>
struct PlaneRow {
    T* out[3];
    float gain[3];
    float bias[3];
};

// kLanes sample points whose four pixels all lie inside a frame of interleaved bytes.
struct SamplePoints {
    const uint8_t* upper_left[kLanes];
    ptrdiff_t row_stride_bytes;
    float tx[kLanes];  // towards the right pixel, 0 .. 1
    float ty[kLanes];  // towards the lower pixel
};

// Running sums of kLanes pixels, one array per channel of the frame.
struct SampleSums {
    float v[3][kLanes];
};

struct RowKernels {
    // out[i] = sum over k of weight[k] * rows[k][i] - offset[i % 3], for i < count. count is a multiple of 3, or the
    // three offsets are equal.
    void (*weigh_bytes)(const uint8_t* const* rows, const float* weight, int taps, const float* offset, int count,
                        float* out);
    void (*weigh_floats)(const float* const* rows, const float* weight, int taps, const float* offset, int count,
                         float* out);
    // Resamples an interleaved row along x, normalises it and splits it into planes.
    void (*resample_float)(const float* row, const ColumnTaps& taps, const PlaneRow<float>& planes);
    void (*resample_half)(const float* row, const ColumnTaps& taps, const PlaneRow<Half>& planes);
    void (*resample_byte)(const float* row, const ColumnTaps& taps, const PlaneRow<uint8_t>& planes);
    // Places the samples of kLanes output pixels from (u, v) on along a row; false when one of them is not inside.
    bool (*place_points)(const Frame& frame, const Homography& homography, double u, double v, SamplePoints& points);
    // sums += weight * the bilinear samples.
    void (*add_samples)(const SamplePoints& points, float weight, SampleSums& sums);
    // Taps are narrow when every aligned run of `narrow_run` outputs reads within `narrow_span` pixels; such a run is
    // looked up in registers. 0: this instruction set has no such path.
    int narrow_run;
    int narrow_span;
};

// One output row of a turned crop, sampled from pixels of three bytes or of three 16-bit numbers below 2^15. All that
// its taps read lies in the source, and so do 16 bytes from each of its left taps on.
struct TurnedRow {
    const uint8_t* source;
    int row_stride_bytes;
    bool numbers;          // else bytes
    float x, y;            // output 0 in pixels of the source, from the centre of its first one
    float step_x, step_y;  // to the next output
    int size;              // kLanes at least
};

constexpr int kWeightBits = 14;

// kLanes sample points of such a row. Weights of two neighbours are one word, the left one's in its lower half.
struct alignas(64) TurnedPoints {
    int offset[kLanes];      // bytes to the upper left tap
    uint32_t upper[kLanes];  // weights of the upper row's taps
    uint32_t lower[kLanes];
};

struct TurnedKernels {
    // Samples a row, in numbers of the source times 2^kWeightBits, normalises it and splits it into planes.
    void (*row_float)(const TurnedRow& row, const PlaneRow<float>& planes);
    void (*row_half)(const TurnedRow& row, const PlaneRow<Half>& planes);
    void (*row_byte)(const TurnedRow& row, const PlaneRow<uint8_t>& planes);
    // sums[i] = sum over k of rows[k][i], for i < count.
    void (*sum_rows)(const uint8_t* const* rows, int taps, int count, uint16_t* sums);
    // out[i], a pixel of three numbers, is the sum of pixels i * step .. i * step + taps - 1, times 2^shift and
    // rounded, for i < count. step is 1 or taps. Reads and writes one number more than those.
    void (*sum_pixels)(const uint16_t* pixels, int taps, int step, int count, int shift, uint16_t* out);
};

// The distribution of one head of one face; NaN throughout when a logit is NaN.
struct Moments {
    float mean;      // in bins, 0 .. count - 1
    float variance;  // in bins squared
    float cosine;    // mean cosine and sine of the bins' angles; 0 without tables
    float sine;
};

// A map's highest value, the first place that has it, and the lowest value, which is NaN where a number is not finite.
struct MapExtremes {
    float highest, lowest;
    int at;
};

struct DecodeKernels {
    // Softmax moments of `logits` [count]. `cosines` and `sines` [count] may be null; `scratch` holds `count` floats
    // rounded up to kLanes.
    Moments (*softmax_moments)(const float* logits, int count, const float* cosines, const float* sines,
                               float* scratch);
    MapExtremes (*extremes)(const float* values, int count);
};

// The sides and areas of boxes, one array each.
struct BoxSides {
    const float *x1, *y1, *x2, *y2, *area;
};

struct RegionKernels {
    // out[i] = sum over k < count of weights[k] * runs[k][i], for i < length.
    void (*weigh_runs)(const float* const* runs, const float* weights, int count, int length, float* out);
    // Marks those of the boxes best + 1 .. count - 1 whose intersection over union with box `best` exceeds `limit`.
    void (*drop_overlapping)(const BoxSides& boxes, int best, int count, float limit, int* dropped);
};

namespace avx512 {
extern const RowKernels row_kernels;
extern const TurnedKernels turned_kernels;
extern const DecodeKernels decode_kernels;
extern const RegionKernels region_kernels;
}  // namespace avx512
namespace avx2 {
extern const RowKernels row_kernels;
extern const TurnedKernels turned_kernels;
extern const DecodeKernels decode_kernels;
extern const RegionKernels region_kernels;
}  // namespace avx2
namespace neon {
extern const RowKernels row_kernels;
extern const TurnedKernels turned_kernels;
extern const DecodeKernels decode_kernels;
extern const RegionKernels region_kernels;
}  // namespace neon
namespace baseline {
extern const RowKernels row_kernels;
extern const TurnedKernels turned_kernels;
extern const DecodeKernels decode_kernels;
extern const RegionKernels region_kernels;
}  // namespace baseline

}  // namespace hpe

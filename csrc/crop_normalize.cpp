// The box path on the CPU: rows are weighed along y into one interleaved float row, which is then resampled along x,
// normalised and split into planes. Weighing first keeps the costly, gathering half to one row per output row.
#include "crop_normalize.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace hpe {
namespace {

// The taps of one axis, trimmed to the frame. Output i covers pixels first[i] .. first[i] + count - 1; what a tap outside
// the frame would weigh is missing from `inside[i]`, and the fill takes its place.
struct AxisTaps {
    std::vector<int> first;
    std::vector<float> weight;  // [count, stride]
    std::vector<float> inside;
    int count = 1;
    int stride = 0;
    int lowest = 0;   // first pixel that any output reads
    int pixels = 0;   // how many from there on
};

AxisTaps trim_taps(const Axis& axis, int size, int frame_pixels) {
    AxisTaps taps;
    taps.stride = (size + kLanes - 1) / kLanes * kLanes;
    taps.first.assign(taps.stride, 0);
    taps.inside.assign(taps.stride, 0.0f);
    const bool empty = axis.last < axis.first;
    std::vector<TapRange> inside(size);
    int lowest = frame_pixels, highest = -1;
    for (int i = 0; i < size; ++i) {
        TapRange range{0, -1};
        if (!empty) {
            range = taps_of(axis, sample_center(axis, i));
            range.first = std::max(range.first, 0);
            range.last = std::min(range.last, frame_pixels - 1);
        }
        inside[i] = range;
        if (range.first > range.last) continue;
        lowest = std::min(lowest, range.first);
        highest = std::max(highest, range.last);
        taps.count = std::max(taps.count, range.last - range.first + 1);
    }
    // A window just inside the frame has one tap per output; two keeps it on the unrolled path.
    taps.count = std::max(taps.count, 2);
    taps.weight.assign(static_cast<size_t>(taps.count) * taps.stride, 0.0f);
    if (highest < 0) return taps;
    taps.lowest = lowest;
    taps.pixels = highest - lowest + 1;
    for (int i = 0; i < size; ++i) {
        const TapRange range = inside[i];
        if (range.first > range.last) continue;
        const double center = sample_center(axis, i);
        const TapRange all = taps_of(axis, center);
        double total = 0.0;
        for (int p = all.first; p <= all.last; ++p) total += tap_weight(axis, center, p);
        double sum = 0.0;
        taps.first[i] = range.first;
        for (int p = range.first; p <= range.last; ++p) {
            const double weight = tap_weight(axis, center, p) / total;
            taps.weight[static_cast<size_t>(p - range.first) * taps.stride + i] = static_cast<float>(weight);
            sum += weight;
        }
        taps.inside[i] = static_cast<float>(sum);
    }
    return taps;
}

// Hands out source rows as the weighing kernels want them: bytes of the frame as they lie, or, where a pixel must be
// computed first (NV12), float rows kept for as long as the taps can ask for them again.
class FloatRows {
public:
    FloatRows(const Frame& frame, int first_column, int columns, int slots)
        : frame_(frame), first_column_(first_column), columns_(columns), held_(slots, -1),
          rows_(static_cast<size_t>(slots) * columns * 3) {}

    const float* row(int y) {
        const int slot = y % static_cast<int>(held_.size());
        float* out = rows_.data() + static_cast<size_t>(slot) * columns_ * 3;
        if (held_[slot] != y) {
            for (int x = 0; x < columns_; ++x) {
                const Bgr pixel = pixel_at(frame_, first_column_ + x, y);
                out[3 * x] = pixel.b;
                out[3 * x + 1] = pixel.g;
                out[3 * x + 2] = pixel.r;
            }
            held_[slot] = y;
        }
        return out;
    }

private:
    const Frame& frame_;
    int first_column_;
    int columns_;
    std::vector<int> held_;
    std::vector<float> rows_;
};

void resample(const RowKernels& k, const float* row, const ColumnTaps& taps, const PlaneRow<float>& planes) {
    k.resample_float(row, taps, planes);
}
void resample(const RowKernels& k, const float* row, const ColumnTaps& taps, const PlaneRow<Half>& planes) {
    k.resample_half(row, taps, planes);
}
void resample(const RowKernels& k, const float* row, const ColumnTaps& taps, const PlaneRow<uint8_t>& planes) {
    k.resample_byte(row, taps, planes);
}

template <typename T>
void crop_one(const Frame& frame, const Box& box, const CropRule& crop, const InputRule& input,
              const RowKernels& kernels, T* out) {
    const int size = input.size;
    const Window window = crop_window(box, crop, frame.width, frame.height);
    AxisTaps xs = trim_taps(make_axis(window.x1, window.x2, size, crop.antialias), size, frame.width);
    const AxisTaps ys = trim_taps(make_axis(window.y1, window.y2, size, crop.antialias), size, frame.height);

    for (int i = 0; i < size; ++i) xs.first[i] = 3 * std::max(0, xs.first[i] - xs.lowest);
    const ColumnTaps columns{xs.first.data(), xs.weight.data(), xs.count, size, xs.stride};

    // Working with the difference to the fill makes a missing tap a missing term.
    PlaneRow<T> planes;
    float fill[3];
    for (int c = 0; c < 3; ++c) {
        const int plane = input.swap_colors ? 2 - c : c;
        fill[c] = crop.fill[plane];
        planes.gain[c] = input.gain[plane];
        planes.bias[c] = input.gain[plane] * fill[c] + input.bias[plane];
        planes.out[c] = out + static_cast<size_t>(plane) * size * size;
    }

    const bool gray = frame.format == PixelFormat::kGray8;
    const int channels = gray ? 1 : 3;
    // The slack past the last pixel is read by taps of weight 0 and must be a number.
    std::vector<float> row(static_cast<size_t>(xs.pixels + xs.count) * 3 + kRowSlack, 0.0f);
    std::vector<float> gray_row(gray ? xs.pixels : 0);
    std::vector<const uint8_t*> byte_rows(ys.count);
    std::vector<const float*> float_rows(ys.count);
    std::vector<float> weights(ys.count);
    const bool convert = frame.format == PixelFormat::kNv12;
    FloatRows converted(frame, xs.lowest, convert ? xs.pixels : 0, convert ? ys.count : 1);

    for (int j = 0; j < size; ++j) {
        int taps = 0;
        for (int k = 0; k < ys.count; ++k) {
            const float weight = ys.weight[static_cast<size_t>(k) * ys.stride + j];
            if (weight == 0.0f) continue;
            const int y = ys.first[j] + k;
            weights[taps] = weight;
            if (convert)
                float_rows[taps] = converted.row(y);
            else
                byte_rows[taps] = frame.data + y * frame.row_stride_bytes + channels * xs.lowest;
            ++taps;
        }
        float offset[3];
        for (int c = 0; c < 3; ++c) offset[c] = ys.inside[j] * fill[c];
        const int count = 3 * xs.pixels;
        if (convert) {
            kernels.weigh_floats(float_rows.data(), weights.data(), taps, offset, count, row.data());
        } else if (gray) {
            const float none[3] = {0.0f, 0.0f, 0.0f};
            kernels.weigh_bytes(byte_rows.data(), weights.data(), taps, none, xs.pixels, gray_row.data());
            for (int x = 0; x < xs.pixels; ++x)
                for (int c = 0; c < 3; ++c) row[3 * x + c] = gray_row[x] - offset[c];
        } else {
            kernels.weigh_bytes(byte_rows.data(), weights.data(), taps, offset, count, row.data());
        }
        resample(kernels, row.data(), columns, planes);
        for (int c = 0; c < 3; ++c) planes.out[c] += size;
    }
}

}  // namespace

template <typename T>
void crop_normalize(const Frame& frame, const Box* boxes, int count, const CropRule& crop, const InputRule& input,
                    const RowKernels& kernels, T* out) {
    const size_t face = static_cast<size_t>(3) * input.size * input.size;
    for (int i = 0; i < count; ++i) crop_one(frame, boxes[i], crop, input, kernels, out + i * face);
}

template void crop_normalize(const Frame&, const Box*, int, const CropRule&, const InputRule&, const RowKernels&, float*);
template void crop_normalize(const Frame&, const Box*, int, const CropRule&, const InputRule&, const RowKernels&, Half*);
template void crop_normalize(const Frame&, const Box*, int, const CropRule&, const InputRule&, const RowKernels&, uint8_t*);

}  // namespace hpe

// The box path on the CPU: rows are weighed along y into one interleaved float row, which is then resampled along x,
// normalised and split into planes. Weighing first keeps the costly, gathering half to one row per output row.
#include "crop/crop_normalize.h"

#include <algorithm>
#include <new>
#include <type_traits>
#include <vector>

namespace hpe {
namespace {

// Vector loads that cross a cache line take twice as long.
template <typename T>
struct LineAllocator {
    using value_type = T;
    LineAllocator() = default;
    template <typename U>
    LineAllocator(const LineAllocator<U>&) {}
    T* allocate(size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t{64})); }
    void deallocate(T* p, size_t) { ::operator delete(p, std::align_val_t{64}); }
    template <typename U>
    bool operator==(const LineAllocator<U>&) const {
        return true;
    }
    template <typename U>
    bool operator!=(const LineAllocator<U>&) const {
        return false;
    }
};
using Floats = std::vector<float, LineAllocator<float>>;

// The taps of one axis, trimmed to the frame. Output i covers pixels first[i] .. first[i] + count - 1; what a tap
// outside the frame would weigh is missing from `inside[i]`, and the fill takes its place.
struct AxisTaps {
    std::vector<int> first;     // [stride], never falls with i
    Floats weight;              // [count, stride]
    std::vector<float> inside;  // [size]
    int count = 2;
    int stride = 0;
    int lowest = 0;  // first pixel that any output reads
    int pixels = 0;  // how many from there on
};

AxisTaps trim_taps(const Axis& axis, int size, int frame_pixels) {
    AxisTaps taps;
    const int low = std::max(axis.first, 0), high = std::min(axis.last, frame_pixels - 1);
    taps.stride = (size + kLanes - 1) / kLanes * kLanes;
    // Two at least, although a window of one pixel needs one: that keeps it on the unrolled path.
    taps.count = std::max(2, std::min(most_taps(axis), high - low + 1));
    taps.inside.assign(size, 0.0f);
    taps.first.assign(taps.stride, low);
    taps.weight.assign(static_cast<size_t>(taps.count) * taps.stride, 0.0f);
    if (low > high) {
        taps.first.assign(taps.stride, 0);
        return taps;
    }
    int highest = low - 1;
    for (int i = 0; i < size; ++i) {
        const double center = sample_center(axis, i);
        if (axis.half_width == 1.0) {
            // The common case, without a division: two neighbours inside the window weigh 1 - t and t.
            const int left = floor_int(center - 0.5);
            if (left >= low && left < high) {
                const float t = static_cast<float>(center - 0.5 - left);
                taps.first[i] = left;
                taps.weight[i] = 1.0f - t;
                taps.weight[static_cast<size_t>(taps.stride) + i] = t;
                taps.inside[i] = 1.0f;
                highest = left + 1;
                continue;
            }
        }
        const TapRange all = taps_of(axis, center);
        const int first = std::max(all.first, low), last = std::min(all.last, high);
        taps.first[i] = std::min(first, high);
        if (first > last) continue;
        highest = last;
        double total = 0.0, sum = 0.0;
        float* weight = taps.weight.data() + i;
        for (int p = all.first; p <= all.last; ++p) {
            const double w = tap_weight(axis, center, p);
            total += w;
            if (p < first || p > last) continue;
            sum += w;
            *weight = static_cast<float>(w);
            weight += taps.stride;
        }
        const double norm = 1.0 / total;
        for (weight = taps.weight.data() + i; weight < taps.weight.data() + taps.weight.size(); weight += taps.stride)
            *weight = static_cast<float>(*weight * norm);
        sum *= norm;
        taps.inside[i] = static_cast<float>(sum);
    }
    for (int i = size; i < taps.stride; ++i) taps.first[i] = taps.first[size - 1];
    taps.lowest = taps.first[0];
    taps.pixels = std::max(0, highest - taps.lowest + 1);
    return taps;
}

// Rows as three numbers a pixel, of formats that have others; each is kept for as long as the taps can ask for it
// again. T: float for NV12, which is computed; uint8_t for pixels of four bytes.
template <typename T>
class ConvertedRows {
public:
    ConvertedRows(const Frame& frame, int first_column, int columns, int slots)
        : frame_(frame),
          first_column_(first_column),
          columns_(columns),
          held_(slots, -1),
          rows_(static_cast<size_t>(slots) * columns * 3) {}

    const T* row(int y) {
        const int slot = y % static_cast<int>(held_.size());
        T* out = rows_.data() + static_cast<size_t>(slot) * columns_ * 3;
        if (held_[slot] != y) {
            for (int x = 0; x < columns_; ++x) {
                const Bgr pixel = pixel_at<kFrom>(frame_, first_column_ + x, y);
                out[3 * x] = static_cast<T>(pixel.b);
                out[3 * x + 1] = static_cast<T>(pixel.g);
                out[3 * x + 2] = static_cast<T>(pixel.r);
            }
            held_[slot] = y;
        }
        return out;
    }

private:
    static constexpr PixelFormat kFrom = std::is_same_v<T, float> ? PixelFormat::kNv12 : PixelFormat::kColor4;

    const Frame& frame_;
    int first_column_;
    int columns_;
    std::vector<int> held_;
    std::vector<T> rows_;
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

// Whether each run of outputs reads so few pixels that they fit the registers.
bool is_narrow(const AxisTaps& xs, const RowKernels& kernels) {
    if (kernels.narrow_span == 0) return false;
    for (int i = 0; i < xs.stride; i += kernels.narrow_run)
        if (xs.first[i + kernels.narrow_run - 1] + xs.count - xs.first[i] > kernels.narrow_span) return false;
    return true;
}

template <typename T>
void crop_one(const Frame& frame, const Box& box, const CropRule& crop, const InputRule& input,
              const RowKernels& kernels, T* out) {
    const int size = input.size;
    const Window window = crop_window(box, crop, frame.width, frame.height);
    AxisTaps xs = trim_taps(make_axis(window.x, window.cut_x, size, crop.antialias), size, frame.width);
    const AxisTaps ys = trim_taps(make_axis(window.y, window.cut_y, size, crop.antialias), size, frame.height);

    // From here on columns count from the first one read; an output beyond the frame has only weights of 0 to put
    // there.
    for (int& first : xs.first) first = std::min(first - xs.lowest, std::max(0, xs.pixels - 1));
    const int readable = xs.pixels + xs.count;
    Floats planar(3 * static_cast<size_t>(planar_stride(xs.pixels, xs.count)), 0.0f);
    const ColumnTaps columns{xs.first.data(),
                             xs.weight.data(),
                             xs.count,
                             size,
                             xs.stride,
                             xs.pixels,
                             is_narrow(xs, kernels) ? planar.data() : nullptr};

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
    Floats row(3 * static_cast<size_t>(readable + kRowSlack), 0.0f);
    std::vector<float> gray_row(gray ? xs.pixels : 0);
    std::vector<const uint8_t*> byte_rows(ys.count);
    std::vector<const float*> float_rows(ys.count);
    std::vector<float> weights(ys.count);
    const bool yuv = frame.format == PixelFormat::kNv12, four = frame.format == PixelFormat::kColor4;
    ConvertedRows<float> colored(frame, xs.lowest, yuv ? xs.pixels : 0, yuv ? ys.count : 1);
    ConvertedRows<uint8_t> packed(frame, xs.lowest, four ? xs.pixels : 0, four ? ys.count : 1);

    for (int j = 0; j < size; ++j) {
        int taps = 0;
        for (int k = 0; k < ys.count; ++k) {
            const float weight = ys.weight[static_cast<size_t>(k) * ys.stride + j];
            if (weight == 0.0f) continue;
            const int y = ys.first[j] + k;
            weights[taps] = weight;
            if (yuv)
                float_rows[taps] = colored.row(y);
            else if (four)
                byte_rows[taps] = packed.row(y);
            else
                byte_rows[taps] = frame.data + y * frame.row_stride_bytes + channels * xs.lowest;
            ++taps;
        }
        float offset[3];
        for (int c = 0; c < 3; ++c) offset[c] = ys.inside[j] * fill[c];
        const int count = 3 * xs.pixels;
        if (yuv) {
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

template void crop_normalize(const Frame&, const Box*, int, const CropRule&, const InputRule&, const RowKernels&,
                             float*);
template void crop_normalize(const Frame&, const Box*, int, const CropRule&, const InputRule&, const RowKernels&,
                             Half*);
template void crop_normalize(const Frame&, const Box*, int, const CropRule&, const InputRule&, const RowKernels&,
                             uint8_t*);

}  // namespace hpe

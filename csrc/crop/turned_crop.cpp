// Turned crops on the CPU: rows of sample points, from the frame's bytes where one pixel is one mean and the frame
// holds all that is read, else from a patch of means. The patch also brings fill, grey and NV12 into one form.
#include "crop/turned_crop.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "common/half.h"

namespace hpe {
namespace {

// Means that the sample points and their taps reach: `right` and `bottom` exclusive.
struct Reach {
    int left, top, right, bottom;
};

constexpr int kFarthest = 1 << 26;     // means; beyond, every tap is fill
constexpr int kWidestReach = 1 << 12;  // means that single precision tells from each other well enough
constexpr int kBytesRead = 6;          // pixels of the frame that a load of 16 bytes touches

Reach find_reach(const TurnedWindow& w, int size) {
    const double end = size - 1;
    const double x = w.x / w.across.factor - 0.5, y = w.y / w.down.factor - 0.5;
    const double ux = end * w.column_x / w.across.factor, vx = end * w.row_x / w.across.factor;
    const double uy = end * w.column_y / w.down.factor, vy = end * w.row_y / w.down.factor;
    const auto held = [](double v) { return floor_int(std::min(std::max(v, -1.0 * kFarthest), 1.0 * kFarthest)); };
    // A tap before the sample point and two behind it, and one for rounding.
    return {held(x + std::min(ux, 0.0) + std::min(vx, 0.0)) - 2, held(y + std::min(uy, 0.0) + std::min(vy, 0.0)) - 2,
            held(x + std::max(ux, 0.0) + std::max(vx, 0.0)) + 4, held(y + std::max(uy, 0.0) + std::max(vy, 0.0)) + 4};
}

void sample_row(const TurnedKernels& kernels, const TurnedRow& row, const PlaneRow<float>& planes) {
    kernels.row_float(row, planes);
}
void sample_row(const TurnedKernels& kernels, const TurnedRow& row, const PlaneRow<Half>& planes) {
    kernels.row_half(row, planes);
}
void sample_row(const TurnedKernels& kernels, const TurnedRow& row, const PlaneRow<uint8_t>& planes) {
    kernels.row_byte(row, planes);
}

// Means as four 16-bit numbers each, of levels times `one`.
class Patch {
public:
    Patch(const Frame& frame, const TurnedWindow& window, const Reach& reach, int size, const Bgr& fill,
          const TurnedKernels& kernels)
        : frame_(frame),
          reach_(reach),
          across_(window.across.factor),
          down_(window.down.factor),
          fill_(fill),
          kernels_(kernels),
          width_(reach.right - reach.left),
          means_(new uint64_t[static_cast<size_t>(width_) * (reach.bottom - reach.top)]) {
        // Whole sums, times the power of two that fills 15 bits.
        const int most = across_ * down_ * 255;
        while (most << (shift_ + 1) <= 32767 && shift_ < 7) ++shift_;
        while (shift_ <= 0 && (most >> -shift_) > 32767) --shift_;
        one_ = static_cast<float>(across_ * down_) *
               (shift_ < 0 ? 1.0f / static_cast<float>(1 << -shift_) : static_cast<float>(1 << shift_));
        for (int y = reach.top; y < reach.bottom; ++y) {
            const Columns row = columns_of(window, size, y);
            if (row.from < row.to) fill_row(y, row);
        }
    }

    const uint8_t* data() const { return reinterpret_cast<const uint8_t*>(means_.get()); }
    int row_stride_bytes() const { return width_ * static_cast<int>(sizeof(uint64_t)); }
    float one() const { return one_; }

private:
    struct Columns {
        int from, to;
    };

    // The means of a row that outputs read: a turned square fills half of what it spans.
    Columns columns_of(const TurnedWindow& w, int size, int y) const {
        const double ax = w.column_x / across_, bx = w.row_x / across_, ay = w.column_y / down_, by = w.row_y / down_;
        const double norm = 1.0 / (ax * by - bx * ay);
        const double x0 = w.x / across_ - 0.5, dy = y - (w.y / down_ - 0.5);
        double from = reach_.left, to = reach_.right;
        // column = (by * dx - bx * dy) * norm and row = (ax * dy - ay * dx) * norm lie in 0 .. size - 1, but for taps.
        const double slopes[2] = {by * norm, -ay * norm}, offsets[2] = {-bx * dy * norm, ax * dy * norm};
        const double margins[2] = {4.0 * (std::abs(by) + std::abs(bx)) * std::abs(norm),
                                   4.0 * (std::abs(ax) + std::abs(ay)) * std::abs(norm)};
        for (int k = 0; k < 2; ++k) {
            const double low = -margins[k] - offsets[k], high = size - 1 + margins[k] - offsets[k];
            if (std::abs(slopes[k]) < 1e-9) {
                if (low > 0 || high < 0) return {0, 0};
                continue;
            }
            const double one = x0 + low / slopes[k], other = x0 + high / slopes[k];
            from = std::max(from, std::min(one, other));
            to = std::min(to, std::max(one, other) + 1);
        }
        if (!(from < to)) return {0, 0};
        return {std::max(reach_.left, floor_int(from)), std::min(reach_.right, ceil_int(to))};
    }

    void fill_row(int y, const Columns& row) {
        uint64_t* out = means_.get() + static_cast<ptrdiff_t>(y - reach_.top) * width_ - reach_.left;
        // Means that lie inside the frame as a whole, of formats that are summed as they are.
        const bool inside = y >= 0 && (y + 1) * down_ <= frame_.height && frame_.format != PixelFormat::kNv12;
        const int from = inside ? std::min(std::max(row.from, 0), row.to) : row.to;
        const int to = inside ? std::max(from, std::min(row.to, frame_.width / across_)) : row.to;
        mixed(y, row.from, from, out);
        if (from < to) whole(y, from, to, out);
        mixed(y, to, row.to, out);
    }

    void whole(int y, int from, int to, uint64_t* out) {
        const bool gray = frame_.format == PixelFormat::kGray8;
        const int channels = gray ? 1 : 3, count = (to - from) * across_;
        rows_.resize(down_);
        for (int k = 0; k < down_; ++k)
            rows_[k] = frame_.data + (static_cast<ptrdiff_t>(y) * down_ + k) * frame_.row_stride_bytes +
                       static_cast<ptrdiff_t>(channels) * from * across_;
        sums_.resize(static_cast<size_t>(3) * count + 1);
        kernels_.sum_rows(rows_.data(), down_, channels * count, sums_.data());
        if (gray)  // in place, from behind
            for (int x = count - 1; x >= 0; --x) sums_[3 * x] = sums_[3 * x + 1] = sums_[3 * x + 2] = sums_[x];
        kernels_.sum_pixels(sums_.data(), across_, to - from, shift_, out + from);
    }

    void mixed(int y, int from, int to, uint64_t* out) {
        for (int x = from; x < to; ++x) {
            const Bgr p = mean(x, y);
            const auto number = [&](float level) { return static_cast<uint64_t>(level * one_ + 0.5f); };
            out[x] = number(p.b) | number(p.g) << 16 | number(p.r) << 32;
        }
    }

    Bgr mean(int x, int y) const {
        switch (frame_.format) {
            case PixelFormat::kGray8:
                return mean_at<PixelFormat::kGray8>(frame_, across_, down_, x, y, fill_);
            case PixelFormat::kNv12:
                return mean_at<PixelFormat::kNv12>(frame_, across_, down_, x, y, fill_);
            default:
                return mean_at<PixelFormat::kColor>(frame_, across_, down_, x, y, fill_);
        }
    }

    const Frame& frame_;
    Reach reach_;
    int across_, down_;
    Bgr fill_;
    const TurnedKernels& kernels_;
    int width_;
    std::unique_ptr<uint64_t[]> means_;  // what no output reads is not set
    int shift_ = 0;
    float one_ = 1.0f;
    std::vector<const uint8_t*> rows_;
    std::vector<uint16_t> sums_;
};

template <PixelFormat kFormat, typename T>
void one_by_one(const Frame& frame, const TurnedWindow& window, int size, const Bgr& fill, const PlaneRow<T>& planes) {
    for (int row = 0; row < size; ++row) {
        const TurnedTile tile = tile_at(window, row, 0);
        for (int column = 0; column < size; ++column) {
            const Bgr p = turned_pixel<kFormat>(frame, window.across, window.down, tile, 0, column, fill);
            const float levels[3] = {p.b, p.g, p.r};
            for (int c = 0; c < 3; ++c)
                store_value(levels[c] * planes.gain[c] + planes.bias[c],
                            planes.out[c] + static_cast<ptrdiff_t>(row) * size + column);
        }
    }
}

template <typename T>
void sample_all(const TurnedWindow& window, const Reach& reach, const uint8_t* source, ptrdiff_t row_stride_bytes,
                float one, bool patch, int size, const TurnedKernels& kernels, PlaneRow<T> planes) {
    const Filter &across = window.across, &down = window.down;
    TurnedRow row{};
    row.source = source;
    row.row_stride_bytes = static_cast<int>(row_stride_bytes);
    row.patch = patch;
    row.wide = across.half_width > 1.0f || down.half_width > 1.0f;
    row.step_x = static_cast<float>(window.column_x / across.factor);
    row.step_y = static_cast<float>(window.column_y / down.factor);
    row.slope_x = 1.0f / across.half_width;
    row.slope_y = 1.0f / down.half_width;
    row.size = size;
    for (float& gain : planes.gain) gain /= one * static_cast<float>(1 << kWeightBits);
    for (int j = 0; j < size; ++j) {
        row.x = static_cast<float>((window.x + j * window.row_x) / across.factor - 0.5 - reach.left);
        row.y = static_cast<float>((window.y + j * window.row_y) / down.factor - 0.5 - reach.top);
        sample_row(kernels, row, planes);
        for (int c = 0; c < 3; ++c) planes.out[c] += size;
    }
}

}  // namespace

template <typename T>
void turned_crop(const Frame& frame, const Box& box, const Turn& turn, const CropRule& crop, const InputRule& input,
                 const TurnedKernels& kernels, T* out) {
    const int size = input.size;
    const TurnedWindow window = turned_window(box, turn, crop, size);
    const int first = input.swap_colors ? 2 : 0;
    const Bgr fill{crop.fill[first], crop.fill[1], crop.fill[2 - first]};
    PlaneRow<T> planes;
    for (int c = 0; c < 3; ++c) {
        const int plane = input.swap_colors ? 2 - c : c;
        planes.gain[c] = input.gain[plane];
        planes.bias[c] = input.bias[plane];
        planes.out[c] = out + static_cast<size_t>(plane) * size * size;
    }

    const Reach reach = find_reach(window, size);
    const int64_t wide = static_cast<int64_t>(reach.right) - reach.left;
    const int64_t high = static_cast<int64_t>(reach.bottom) - reach.top;
    if (size >= kLanes && wide <= kWidestReach && high <= kWidestReach) {
        const bool pixels = window.across.factor == 1 && window.down.factor == 1;
        if (pixels && frame.format == PixelFormat::kColor && reach.left >= 0 && reach.top >= 0 &&
            reach.right + kBytesRead <= frame.width && reach.bottom <= frame.height &&
            std::abs(frame.row_stride_bytes) * high < 1 << 30) {
            const uint8_t* source =
                frame.data + reach.top * frame.row_stride_bytes + 3 * static_cast<ptrdiff_t>(reach.left);
            sample_all(window, reach, source, frame.row_stride_bytes, 1.0f, false, size, kernels, planes);
            return;
        }
        // Where outputs are few among many pixels, which only `bilinear` leaves so, a patch does not pay.
        if (wide * high <= 32 * static_cast<int64_t>(size) * size) {
            const Patch patch(frame, window, reach, size, fill, kernels);
            sample_all(window, reach, patch.data(), patch.row_stride_bytes(), patch.one(), true, size, kernels, planes);
            return;
        }
    }
    switch (frame.format) {
        case PixelFormat::kColor:
            return one_by_one<PixelFormat::kColor>(frame, window, size, fill, planes);
        case PixelFormat::kGray8:
            return one_by_one<PixelFormat::kGray8>(frame, window, size, fill, planes);
        case PixelFormat::kNv12:
            return one_by_one<PixelFormat::kNv12>(frame, window, size, fill, planes);
    }
}

#define HPE_INSTANTIATE(T)                                                                              \
    template void turned_crop(const Frame&, const Box&, const Turn&, const CropRule&, const InputRule&, \
                              const TurnedKernels&, T*)
HPE_INSTANTIATE(float);
HPE_INSTANTIATE(Half);
HPE_INSTANTIATE(uint8_t);

}  // namespace hpe

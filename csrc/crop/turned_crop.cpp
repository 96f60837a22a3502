// Turned crops on the CPU: rows of sample points, from the frame's bytes where one pixel is one mean and the frame
// holds all that is read, else from a patch of means. The patch also brings fill and all formats into one form.
#include "crop/turned_crop.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "common/half.h"

namespace hpe {
namespace {

// Means that the sample points and their taps reach: `right` and `bottom` exclusive.
struct Reach {
    int left, top, right, bottom;
};

constexpr int kFarthest = 1 << 24;     // means; beyond, every tap is fill
constexpr int kWidestReach = 1 << 12;  // means that single precision tells from each other well enough
constexpr int kPixelsRead = 6;         // that a load of 16 bytes touches

Reach find_reach(const TurnedWindow& w, int size) {
    const double end = size - 1;
    const double x = mean_position(w.across, w.x), y = mean_position(w.down, w.y);
    const double ux = end * w.column_x / w.across.step, vx = end * w.row_x / w.across.step;
    const double uy = end * w.column_y / w.down.step, vy = end * w.row_y / w.down.step;
    const auto held = [](double v) { return floor_int(std::min(std::max(v, -1.0 * kFarthest), 1.0 * kFarthest)); };
    // The tap behind the sample point, and one on either side for rounding.
    return {held(x + std::min(ux, 0.0) + std::min(vx, 0.0)) - 1, held(y + std::min(uy, 0.0) + std::min(vy, 0.0)) - 1,
            held(x + std::max(ux, 0.0) + std::max(vx, 0.0)) + 3, held(y + std::max(uy, 0.0) + std::max(vy, 0.0)) + 3};
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

// Means as three 16-bit numbers each, of levels times `one`.
class Patch {
public:
    Patch(const Frame& frame, const TurnedWindow& window, const Reach& reach, int size, const Bgr& fill,
          const TurnedKernels& kernels)
        : frame_(frame),
          reach_(reach),
          across_(window.across),
          down_(window.down),
          fill_(fill),
          kernels_(kernels),
          width_(reach.right - reach.left),
          // The last pixel is read and written beyond its end.
          means_(new uint16_t[3 * static_cast<size_t>(width_) * (reach.bottom - reach.top) + 8]) {
        // Whole sums, times the power of two that fills 15 bits.
        const int most = across_.factor * down_.factor * 255;
        while (most << (shift_ + 1) <= 32767) ++shift_;
        while (shift_ <= 0 && (most >> -shift_) > 32767) --shift_;
        one_ = std::ldexp(static_cast<float>(across_.factor * down_.factor), shift_);
        const size_t pixels = static_cast<size_t>(width_) * across_.step + across_.factor;
        rows_.resize(down_.factor);
        sums_.resize(3 * pixels + 1);
        if (converts()) converted_.resize(3 * pixels * down_.factor);
        held_.assign(down_.factor, -1);
        find_edges(window, size);
        for (int y = reach.top; y < reach.bottom; ++y) {
            const Columns row = columns_of(y);
            if (row.from < row.to) fill_row(y, row);
        }
    }

    const uint8_t* data() const { return reinterpret_cast<const uint8_t*>(means_.get()); }
    int row_stride_bytes() const { return 6 * width_; }
    float one() const { return one_; }

private:
    struct Columns {
        int from, to;
    };

    // A turned square fills half of what it spans. column = slope * x + shift * y + start of an output lies in `low` to
    // `high`, its taps included, and so does its row.
    struct Edges {
        double slope, shift, start, low, high;
    };

    void find_edges(const TurnedWindow& w, int size) {
        const double ax = w.column_x / across_.step, bx = w.row_x / across_.step;
        const double ay = w.column_y / down_.step, by = w.row_y / down_.step;
        const double norm = 1.0 / (ax * by - bx * ay);
        const double x = mean_position(across_, w.x), y = mean_position(down_, w.y);
        const double slopes[2] = {by * norm, -ay * norm}, shifts[2] = {-bx * norm, ax * norm};
        for (int k = 0; k < 2; ++k) {
            const double taps = 2.0 * (std::abs(slopes[k]) + std::abs(shifts[k]));
            edges_[k] = {slopes[k], shifts[k], -slopes[k] * x - shifts[k] * y, -taps, size - 1 + taps};
        }
    }

    // The means of a row that outputs read.
    Columns columns_of(int y) const {
        double from = reach_.left, to = reach_.right;
        for (const Edges& e : edges_) {
            const double here = e.shift * y + e.start, low = e.low - here, high = e.high - here;
            if (std::abs(e.slope) < 1e-9) {
                if (low > 0 || high < 0) return {0, 0};
                continue;
            }
            const double one = low / e.slope, other = high / e.slope;
            from = std::max(from, std::min(one, other));
            to = std::min(to, std::max(one, other) + 1);
        }
        if (!(from < to)) return {0, 0};
        return {std::max(reach_.left, floor_int(from)), std::min(reach_.right, ceil_int(to))};
    }

    void fill_row(int y, const Columns& row) {
        uint16_t* out = means_.get() + 3 * (static_cast<ptrdiff_t>(y - reach_.top) * width_ - reach_.left);
        // Means that lie inside the frame as a whole.
        const bool inside = y >= 0 && y * down_.step + down_.factor <= frame_.height && across_.factor <= frame_.width;
        const int end = (frame_.width - across_.factor) / across_.step + 1;
        const int from = inside ? std::min(std::max(row.from, 0), row.to) : row.to;
        const int to = inside ? std::max(from, std::min(row.to, end)) : row.to;
        mixed(y, row.from, from, out);
        if (from < to) whole(y, from, to, out);
        mixed(y, to, row.to, out);
    }

    void whole(int y, int from, int to, uint16_t* out) {
        const int first = from * across_.step, count = (to - from - 1) * across_.step + across_.factor;
        if (converts()) {
            sum_converted(y, first, count);
            kernels_.sum_pixels(sums_.data(), across_.factor, across_.step, to - from, 0, out + 3 * from);
            return;
        }
        const bool gray = frame_.format == PixelFormat::kGray8;
        const int channels = gray ? 1 : 3;
        for (int k = 0; k < down_.factor; ++k)
            rows_[k] = frame_.data + (static_cast<ptrdiff_t>(y) * down_.step + k) * frame_.row_stride_bytes +
                       static_cast<ptrdiff_t>(channels) * first;
        kernels_.sum_rows(rows_.data(), down_.factor, channels * count, sums_.data());
        if (gray)  // in place, from behind
            for (int x = count - 1; x >= 0; --x) sums_[3 * x] = sums_[3 * x + 1] = sums_[3 * x + 2] = sums_[x];
        kernels_.sum_pixels(sums_.data(), across_.factor, across_.step, to - from, shift_, out + 3 * from);
    }

    // NV12 and pixels of four bytes become numbers first.
    bool converts() const { return frame_.format == PixelFormat::kNv12 || frame_.format == PixelFormat::kColor4; }

    void sum_converted(int y, int first, int count) {
        for (int k = 0; k < down_.factor; ++k) {
            const uint16_t* row = converted_row(y * down_.step + k) + 3 * first;
            for (int i = 0; i < 3 * count; ++i) sums_[i] = static_cast<uint16_t>((k ? sums_[i] : 0) + row[i]);
        }
    }

    // A row as numbers, indexed by pixels of the frame; each is kept for as long as means can ask for it again.
    const uint16_t* converted_row(int y) {
        const int slot = y % down_.factor;
        const int first = std::max(reach_.left * across_.step, 0);
        const int last = std::min((reach_.right - 1) * across_.step + across_.factor, frame_.width);
        uint16_t* out = converted_.data() + slot * (converted_.size() / down_.factor);
        if (held_[slot] != y) {
            const float scale = std::ldexp(1.0f, shift_);
            for (int x = first; x < last; ++x) store_numbers(any_pixel_at(frame_, x, y), scale, out + 3 * (x - first));
            held_[slot] = y;
        }
        return out - 3 * static_cast<ptrdiff_t>(first);
    }

    void mixed(int y, int from, int to, uint16_t* out) {
        for (int x = from; x < to; ++x) store_numbers(mean(x, y), one_, out + 3 * x);
    }

    static void store_numbers(const Bgr& p, float scale, uint16_t* out) {
        out[0] = static_cast<uint16_t>(p.b * scale + 0.5f);
        out[1] = static_cast<uint16_t>(p.g * scale + 0.5f);
        out[2] = static_cast<uint16_t>(p.r * scale + 0.5f);
    }

    Bgr mean(int x, int y) const {
        switch (frame_.format) {
            case PixelFormat::kGray8:
                return mean_at<PixelFormat::kGray8>(frame_, across_, down_, x, y, fill_);
            case PixelFormat::kNv12:
                return mean_at<PixelFormat::kNv12>(frame_, across_, down_, x, y, fill_);
            case PixelFormat::kColor4:
                return mean_at<PixelFormat::kColor4>(frame_, across_, down_, x, y, fill_);
            default:
                return mean_at<PixelFormat::kColor>(frame_, across_, down_, x, y, fill_);
        }
    }

    const Frame& frame_;
    Reach reach_;
    Filter across_, down_;
    Bgr fill_;
    const TurnedKernels& kernels_;
    int width_;
    std::unique_ptr<uint16_t[]> means_;  // what no output reads is not set
    int shift_ = 0;
    float one_ = 1.0f;
    Edges edges_[2]{};
    std::vector<const uint8_t*> rows_;
    std::vector<uint16_t> sums_;
    std::vector<uint16_t> converted_;
    std::vector<int> held_;
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
    row.numbers = patch;
    row.step_x = static_cast<float>(window.column_x / across.step);
    row.step_y = static_cast<float>(window.column_y / down.step);
    row.size = size;
    for (float& gain : planes.gain) gain /= one * static_cast<float>(1 << kWeightBits);
    for (int j = 0; j < size; ++j) {
        row.x = static_cast<float>(mean_position(across, window.x + j * window.row_x) - reach.left);
        row.y = static_cast<float>(mean_position(down, window.y + j * window.row_y) - reach.top);
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
            reach.right + kPixelsRead <= frame.width && reach.bottom <= frame.height &&
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
        case PixelFormat::kColor4:
            return one_by_one<PixelFormat::kColor4>(frame, window, size, fill, planes);
    }
}

#define HPE_INSTANTIATE(T)                                                                              \
    template void turned_crop(const Frame&, const Box&, const Turn&, const CropRule&, const InputRule&, \
                              const TurnedKernels&, T*)
HPE_INSTANTIATE(float);
HPE_INSTANTIATE(Half);
HPE_INSTANTIATE(uint8_t);

}  // namespace hpe

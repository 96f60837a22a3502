// The CUDA launch of crop_normalize: all faces of all frames at once.
//
// A block owns a tile of one face: up to kMaxRows rows of up to kMaxColumns outputs. Its first thread finds the tile
// and the window, then the threads work out the taps of the tile's rows and columns, which cost double precision and
// are shared. What follows depends on the filter:
//   direct  Each thread owns runs of kRun outputs and reads their taps from the frame: 2 x 2 pixels when nothing is
//           widened.
//   staged  Where antialiasing widens the filter, an output has hundreds of taps and neighbours share most of them. The
//           rows are weighed first, into one float row per output row, by threads that read words side by side; the
//           runs are then resampled along x out of that.
//   turned  Each thread works out the place of each of its outputs, whose taps share no rows, and reads the frame
//   there.
#pragma once

#include <cstddef>

#include "common/half.h"
#include "crop/face_record.h"

namespace hpe {

constexpr int kRun = 4;  // outputs that a thread stores at once: 16 bytes of float32

template <typename T>
struct alignas(kRun * sizeof(T)) Run {
    T v[kRun];
};

// The pixels that one row or column of outputs reads, cut at the frame's edges.
struct Taps {
    int first, last;  // last < first: none
    float start;      // from the centre to the first pixel's
    float norm;       // 1 / sum of all weights, of pixels outside the frame, too
};

HPE_HD Taps find_taps(const Axis& axis, int i, int frame_pixels) {
    if (axis.last < axis.first) return {0, -1, 0.0f, 0.0f};
    const double center = sample_center(axis, i);
    const TapRange all = taps_of(axis, center);
    // Distances within the filter fit a float; coordinates do not.
    const float slope = static_cast<float>(axis.slope), start = static_cast<float>(all.first + 0.5 - center);
    float total = 0.0f;
    for (int k = 0; k <= all.last - all.first; ++k) total += triangle(start + static_cast<float>(k), slope);
    const int first = greater(all.first, 0);
    return {first, lesser(all.last, frame_pixels - 1), static_cast<float>(first + 0.5 - center), 1.0f / total};
}

HPE_HD float weight_of(const Taps& taps, float slope, int pixel) {
    return triangle(taps.start + static_cast<float>(pixel - taps.first), slope) * taps.norm;
}

HPE_HD void add_scaled(Bgr& sum, float weight, const Bgr& v) {
    sum.b += weight * v.b;
    sum.g += weight * v.g;
    sum.r += weight * v.r;
}

// The planes of one face, and how levels become the network's values.
template <typename T>
struct FaceOutput {
    T* out;  // [3, size, size]
    const InputRule& input;
    bool swap_colors;
    bool aligned;  // runs can be stored at once

    // `levels` [kRun] in the frame's channel order; the first `count` are stored.
    HPE_HD_METHOD void store(int row, int column, const Bgr* levels, int count) const {
        const int size = input.size;
        HPE_UNROLL
        for (int c = 0; c < 3; ++c) {
            // Indices that the compiler knows: arrays among a kernel's parameters are copied before they are indexed.
            const float gain = swap_colors ? input.gain[2 - c] : input.gain[c];
            const float bias = swap_colors ? input.bias[2 - c] : input.bias[c];
            Run<T> run;
            for (int i = 0; i < kRun; ++i) {
                const float level = c == 0 ? levels[i].b : c == 1 ? levels[i].g : levels[i].r;
                store_value(level * gain + bias, run.v + i);
            }
            T* at = out + (static_cast<size_t>(swap_colors ? 2 - c : c) * size + row) * size + column;
            if (aligned)
                *reinterpret_cast<Run<T>*>(at) = run;
            else
                for (int i = 0; i < count; ++i) at[i] = run.v[i];
        }
    }
};

template <typename T>
HPE_HD FaceOutput<T> face_output(T* out, int face, const InputRule& input, bool swap_colors) {
    const bool aligned = input.size % kRun == 0 && reinterpret_cast<uintptr_t>(out) % sizeof(Run<T>) == 0;
    return {out + static_cast<size_t>(face) * 3 * input.size * input.size, input, swap_colors, aligned};
}

// T: float, Half or uint8_t. kStaged: room for weighed rows is set aside, which only antialiasing uses.
template <typename T, bool kStaged>
struct CropBody {
    static constexpr int kThreads = 256;
    static constexpr int kMaxRows = 8;
    static constexpr int kMaxColumns = 256;
    static constexpr int kRoom = kStaged ? 4096 : 1;  // floats

    // What a block owns. It is shared because every thread would otherwise keep it in registers, of which there are too
    // few: they spilled.
    struct Tile {
        int face, row, column, rows, columns;
    };

    struct Shared {
        Tile tile;
        Axis xs, ys;
        int lowest, pixels;  // columns of the frame that the tile reads
        int rows_at_once;    // output rows that are staged together; 0: direct or turned
        int turned;
        Filter across, down;  // of a turned crop
        TurnedTile outputs;
        Taps row[kMaxRows];
        Taps column[kMaxColumns];
        float room[kRoom];  // [rows_at_once, pixels, 3], differences to the fill
    };

    const BoxFace* faces;
    int count;
    CropRule crop;
    InputRule input;
    T* out;
    int tile_rows;     // 1 .. kMaxRows
    int tile_columns;  // a multiple of kRun, at most kMaxColumns

    HPE_HD_METHOD int bands() const { return (input.size + tile_rows - 1) / tile_rows; }
    HPE_HD_METHOD int columns_of_tiles() const { return (input.size + tile_columns - 1) / tile_columns; }
    HPE_HD_METHOD int blocks() const { return count * bands() * columns_of_tiles(); }

    HPE_HD_METHOD int phases(const Shared& s) const {
        return s.rows_at_once == 0 ? 3 : 2 + 2 * ((tile_rows + s.rows_at_once - 1) / s.rows_at_once);
    }

    HPE_HD_METHOD void phase(int phase, int block, int thread, Shared& s) const {
        if (phase == 0) {
            if (thread == 0) plan(block, s);
        } else if (phase == 1) {
            share_taps(thread, s);
        } else {
            switch (static_cast<PixelFormat>(faces[s.tile.face].frame.format)) {
                case PixelFormat::kColor:
                    return fill_tile<PixelFormat::kColor>(phase - 2, thread, s);
                case PixelFormat::kGray8:
                    return fill_tile<PixelFormat::kGray8>(phase - 2, thread, s);
                case PixelFormat::kNv12:
                    return fill_tile<PixelFormat::kNv12>(phase - 2, thread, s);
                case PixelFormat::kColor4:
                    return fill_tile<PixelFormat::kColor4>(phase - 2, thread, s);
            }
        }
    }

private:
    HPE_HD_METHOD Tile tile_of(int block) const {
        const int across = columns_of_tiles(), tiles = bands() * across;
        const int at = block % tiles;
        const int row = at / across * tile_rows, column = at % across * tile_columns;
        return {block / tiles, row, column, lesser(tile_rows, input.size - row),
                lesser(tile_columns, input.size - column)};
    }

    HPE_HD_METHOD void plan(int block, Shared& s) const {
        const Tile tile = s.tile = tile_of(block);
        const BoxFace& face = faces[tile.face];
        s.lowest = s.pixels = s.rows_at_once = 0;
        s.turned = is_turned(face.turn);
        if (s.turned) {
            const TurnedWindow turned = turned_window(face.box, face.turn, crop, input.size);
            s.across = turned.across;
            s.down = turned.down;
            s.outputs = tile_at(turned, tile.row, tile.column);
            return;
        }
        const Window window = crop_window(face.box, crop, face.frame.width, face.frame.height);
        s.xs = make_axis(window.x, window.cut_x, input.size, crop.antialias);
        s.ys = make_axis(window.y, window.cut_y, input.size, crop.antialias);
        if (!kStaged || s.xs.last < s.xs.first || (s.xs.half_width <= 1.0 && s.ys.half_width <= 1.0)) return;
        s.lowest = greater(taps_of(s.xs, sample_center(s.xs, tile.column)).first, 0);
        const int last = taps_of(s.xs, sample_center(s.xs, tile.column + tile.columns - 1)).last;
        s.pixels = lesser(last, face.frame.width - 1) - s.lowest + 1;
        if (s.pixels > 0) s.rows_at_once = lesser(kRoom / 3 / s.pixels, tile_rows);
    }

    HPE_HD_METHOD void share_taps(int thread, Shared& s) const {
        if (s.turned) return;
        const Tile tile = s.tile;
        const FrameRecord& frame = faces[tile.face].frame;
        for (int i = thread; i < tile.columns + tile.rows; i += kThreads) {
            if (i < tile.columns)
                s.column[i] = find_taps(s.xs, tile.column + i, frame.width);
            else
                s.row[i - tile.columns] = find_taps(s.ys, tile.row + i - tile.columns, frame.height);
        }
    }

    template <PixelFormat kFormat>
    HPE_HD_METHOD void fill_tile(int step, int thread, Shared& s) const {
        const Tile tile = s.tile;
        const FrameRecord& record = faces[tile.face].frame;
        const Frame frame = frame_of(record);
        const Bgr fill = fill_of(crop, record.swap_colors != 0);
        const FaceOutput<T> to = face_output(out, tile.face, input, record.swap_colors != 0);
        if (s.turned) {
            each_run(tile, 0, tile.rows, thread, to, [&](int row, int column) {
                return turned_pixel<kFormat>(frame, s.across, s.down, s.outputs, row, column, fill);
            });
            return;
        }
        if (s.rows_at_once == 0) {
            each_run(tile, 0, tile.rows, thread, to, [&](int row, int column) {
                return direct<kFormat>(frame, s.row[row], s.column[column], s, fill);
            });
            return;
        }
        const int first = step / 2 * s.rows_at_once;
        const int rows = lesser(s.rows_at_once, tile.rows - first);
        if (step % 2 == 0) {
            if (kFormat == PixelFormat::kColor)
                weigh_bytes(frame, first, rows, thread, fill, s);
            else
                weigh_pixels<kFormat>(frame, first, rows, thread, fill, s);
        } else {
            each_run(tile, first, rows, thread, to, [&](int row, int column) {
                return staged(s.room + (row - first) * s.pixels * 3, s.column[column], s, fill);
            });
        }
    }

    // Every thread owns runs of the tile's rows `first` to `first + rows`; `level` gives one output.
    template <typename Level>
    HPE_HD_METHOD void each_run(const Tile& tile, int first, int rows, int thread, const FaceOutput<T>& to,
                                const Level& level) const {
        const int runs = (tile.columns + kRun - 1) / kRun;
        for (int i = thread; i < rows * runs; i += kThreads) {
            const int row = first + i / runs, column = i % runs * kRun;
            const int here = lesser(kRun, tile.columns - column);
            Bgr levels[kRun];
            for (int k = 0; k < kRun; ++k) levels[k] = level(row, column + lesser(k, here - 1));
            to.store(tile.row + row, tile.column + column, levels, here);
        }
    }

    // The difference to the fill makes a tap outside the frame a missing term.
    template <PixelFormat kFormat>
    HPE_HD_METHOD static Bgr direct(const Frame& frame, const Taps& ys, const Taps& xs, const Shared& s,
                                    const Bgr& fill) {
        const float slope_x = static_cast<float>(s.xs.slope), slope_y = static_cast<float>(s.ys.slope);
        Bgr level = fill;
        for (int y = ys.first; y <= ys.last; ++y) {
            Bgr sum{0.0f, 0.0f, 0.0f};
            for (int x = xs.first; x <= xs.last; ++x) {
                const Bgr p = pixel_at<kFormat>(frame, x, y);
                add_scaled(sum, weight_of(xs, slope_x, x), {p.b - fill.b, p.g - fill.g, p.r - fill.r});
            }
            add_scaled(level, weight_of(ys, slope_y, y), sum);
        }
        return level;
    }

    HPE_HD_METHOD static Bgr staged(const float* weighed, const Taps& xs, const Shared& s, const Bgr& fill) {
        const float slope = static_cast<float>(s.xs.slope);
        Bgr level = fill;
        for (int x = xs.first; x <= xs.last; ++x) {
            const float* p = weighed + 3 * (x - s.lowest);
            add_scaled(level, weight_of(xs, slope, x), {p[0], p[1], p[2]});
        }
        return level;
    }

    template <PixelFormat kFormat>
    HPE_HD_METHOD static void weigh_pixels(const Frame& frame, int first, int rows, int thread, const Bgr& fill,
                                           Shared& s) {
        const float slope = static_cast<float>(s.ys.slope);
        for (int i = thread; i < rows * s.pixels; i += kThreads) {
            const Taps& ys = s.row[first + i / s.pixels];
            Bgr sum{0.0f, 0.0f, 0.0f};
            for (int y = ys.first; y <= ys.last; ++y) {
                const Bgr p = pixel_at<kFormat>(frame, s.lowest + i % s.pixels, y);
                add_scaled(sum, weight_of(ys, slope, y), {p.b - fill.b, p.g - fill.g, p.r - fill.r});
            }
            float* to = s.room + 3 * i;
            to[0] = sum.b;
            to[1] = sum.g;
            to[2] = sum.r;
        }
    }

    // As weigh_pixels; each thread owns four bytes side by side, which are one load where the rows lie on words.
    HPE_HD_METHOD static void weigh_bytes(const Frame& frame, int first, int rows, int thread, const Bgr& fill,
                                          Shared& s) {
        const float slope = static_cast<float>(s.ys.slope);
        const uint8_t* left = frame.data + 3 * static_cast<ptrdiff_t>(s.lowest);
        const bool words = frame.row_stride_bytes % 4 == 0;
        const int lead = words ? static_cast<int>(reinterpret_cast<uintptr_t>(left) % 4) : 0;
        const int bytes = 3 * s.pixels, units = (lead + bytes + 3) / 4;
        for (int i = thread; i < rows * units; i += kThreads) {
            const int row = i / units, at = 4 * (i % units) - lead;
            const bool whole = words && at >= 0 && at + 4 <= bytes;
            const Taps& ys = s.row[first + row];
            float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f}, inside = 0.0f;
            for (int y = ys.first; y <= ys.last; ++y) {
                const float weight = weight_of(ys, slope, y);
                const uint8_t* p = left + y * frame.row_stride_bytes + at;
                inside += weight;
                if (whole) {
                    const uint32_t word = load_constant(reinterpret_cast<const uint32_t*>(p));
                    for (int k = 0; k < 4; ++k) sum[k] += weight * static_cast<float>(word >> (8 * k) & 255u);
                } else {
                    for (int k = 0; k < 4; ++k)
                        if (at + k >= 0 && at + k < bytes) sum[k] += weight * static_cast<float>(load_constant(p + k));
                }
            }
            for (int k = 0; k < 4; ++k) {
                if (at + k < 0 || at + k >= bytes) continue;
                const int channel = (at + k) % 3;
                const float offset = channel == 0 ? fill.b : channel == 1 ? fill.g : fill.r;
                s.room[row * bytes + at + k] = sum[k] - inside * offset;
            }
        }
    }
};

}  // namespace hpe

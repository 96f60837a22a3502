// The CUDA launch of crop_normalize with antialiasing. A block owns a tile of one face: up to kMaxRows rows of up to
// kMaxColumns outputs. Where a filter is wider than a pixel, an output has up to hundreds of taps and neighbours share
// most of them. The taps of the tile's rows and columns are found once; the rows are weighed first, into one float row
// per output row, by threads that read words side by side; outputs are then resampled along x out of that. A turned
// face has means of pixels in place of pixels. Faces that need neither are sampled as without antialiasing.
#pragma once

#include "crop/crop_kernel.h"

namespace hpe {

// The pixels that one row or column of outputs reads, cut at the frame's edges.
struct Taps {
    int first, last;  // last < first: none
    float start;      // from the centre to the first pixel's
    float norm;       // 1 / sum of all weights, of pixels outside the frame, too
};

// A triangle of this half-width and slope about `center`, over the cut's pixels first .. last.
struct Triangle {
    Fixed center, half;
    float slope;
    int first, last;
};

// The cut's pixels inside the filter's support; they are consecutive.
HPE_HD TapRange support_of(const Triangle& t) {
    TapRange taps;
    taps.first = greater(t.first, whole_of(t.center - t.half) + 1);
    taps.last = lesser(t.last, whole_of(t.center + t.half + 0xffffffff) - 1);
    // Rounding can put the last centre on the window's edge: the edge pixel then stands alone.
    if (taps.first > taps.last) taps.first = taps.last = lesser(greater(taps.first, t.first), t.last);
    return taps;
}

HPE_HD float distance_to(const Triangle& t, int pixel) {
    return float_of(static_cast<Fixed>(static_cast<uint64_t>(pixel) << 32) - t.center) * (1.0f / 4294967296.0f);
}

HPE_HD Taps find_taps(const Triangle& t, int frame_pixels) {
    const TapRange all = support_of(t);
    float total = 0.0f, distance = distance_to(t, all.first);
    HPE_NO_UNROLL
    for (int i = all.first; i <= all.last; ++i, distance += 1.0f) total += triangle(distance, t.slope);
    const int first = greater(all.first, 0);
    return {first, lesser(all.last, frame_pixels - 1), distance_to(t, first), 1.0f / total};
}

HPE_HD Triangle column_triangle(const CropPlace& p, int column) {
    return {along(p.x, p.column_x, column), p.half_x, p.slope_x, p.first_x, p.last_x};
}

HPE_HD Triangle row_triangle(const CropPlace& p, int row) {
    return {along(p.y, p.row_y, row), p.half_y, p.slope_y, p.first_y, p.last_y};
}

HPE_HD void add_scaled(Bgr& sum, float weight, const Bgr& v) {
    sum.b += weight * v.b;
    sum.g += weight * v.g;
    sum.r += weight * v.r;
}

// T: float, Half, uint8_t or HalfPixel.
template <typename T>
struct StagedCropBody {
    static constexpr int kThreads = 256;
    static constexpr bool kShares = true;
    static constexpr int kMaxRows = 8;
    static constexpr int kMaxColumns = 256;
    static constexpr int kRoom = 4096;  // floats

    struct Shared {
        int lowest, pixels;  // columns of the frame that the tile reads
        int lead;            // bytes from the word that holds the first of them to it
        int pitch;           // floats of a weighed row; whole words of four
        int rows_at_once;    // output rows that are weighed together; 0: nothing is
        uint32_t inverse_units;
        Taps row[kMaxRows];
        Taps column[kMaxColumns];
        alignas(16) float room[kRoom];  // [rows_at_once, pitch], differences to the fill
    };

    const BoxFace* faces;
    int count;
    CropRule crop;
    InputRule input;
    T* out;
    int tile_rows;     // 1 .. kMaxRows
    int tile_columns;  // a multiple of kRun, at most kMaxColumns
    uint32_t inverse_columns;

    StagedCropBody(const BoxFace* from, int face_count, const CropRule& rule, const InputRule& values, T* to, int rows)
        : faces(from), count(face_count), crop(rule), input(values), out(to), tile_rows(rows) {
        const int across = (values.size + kMaxColumns - 1) / kMaxColumns;
        tile_columns = ((values.size + across - 1) / across + kRun - 1) / kRun * kRun;
        inverse_columns = whole_inverse(tile_columns);
    }

    HPE_HD_METHOD Grid grid() const {
        return {count, (input.size + tile_rows - 1) / tile_rows, (input.size + tile_columns - 1) / tile_columns};
    }

    HPE_HD_METHOD int phases(int, const Shared& s) const {
        return s.rows_at_once == 0 ? 2 : 1 + 2 * ((tile_rows + s.rows_at_once - 1) / s.rows_at_once);
    }

    HPE_HD_METHOD void phase(int phase, const Block& block, int thread, Shared& s) const {
        if (phase == 0) return plan(block, thread, s);
        switch (static_cast<PixelFormat>(faces[block.x].frame.format)) {
            case PixelFormat::kColor:
                return fill_tile<PixelFormat::kColor>(phase - 1, block, thread, s);
            case PixelFormat::kGray8:
                return fill_tile<PixelFormat::kGray8>(phase - 1, block, thread, s);
            case PixelFormat::kNv12:
                return fill_tile<PixelFormat::kNv12>(phase - 1, block, thread, s);
            case PixelFormat::kColor4:
                return fill_tile<PixelFormat::kColor4>(phase - 1, block, thread, s);
        }
    }

private:
    struct Tile {
        int face, row, column, rows, columns;
    };

    HPE_HD_METHOD Tile tile_of(const Block& block) const {
        const int row = block.y * tile_rows, column = block.z * tile_columns;
        return {block.x, row, column, lesser(tile_rows, input.size - row), lesser(tile_columns, input.size - column)};
    }

    HPE_HD_METHOD void plan(const Block& block, int thread, Shared& s) const {
        const Tile tile = tile_of(block);
        const CropPlace& place = faces[tile.face].place;
        const FrameRecord& frame = faces[tile.face].frame;
        if (place.sampling != static_cast<int32_t>(Sampling::kRows)) {
            if (thread == 0) s.rows_at_once = 0;
            return;
        }
        for (int i = thread; i < tile.columns + tile.rows; i += kThreads) {
            if (i < tile.columns)
                s.column[i] = find_taps(column_triangle(place, tile.column + i), frame.width);
            else
                s.row[i - tile.columns] = find_taps(row_triangle(place, tile.row + i - tile.columns), frame.height);
        }
        if (thread == 0) plan_rows(frame, place, tile, s);
    }

    HPE_HD_METHOD void plan_rows(const FrameRecord& frame, const CropPlace& place, const Tile& tile, Shared& s) const {
        s.lowest = greater(support_of(column_triangle(place, tile.column)).first, 0);
        const int last = support_of(column_triangle(place, tile.column + tile.columns - 1)).last;
        s.pixels = lesser(last, frame.width - 1) - s.lowest + 1;
        s.rows_at_once = s.lead = 0;
        if (s.pixels <= 0 || s.pixels > kRoom) return;
        const bool bytes = frame.format == static_cast<int32_t>(PixelFormat::kColor);
        if (bytes && frame.row_stride_bytes % 4 == 0)
            s.lead = static_cast<int>((frame.data + 3 * static_cast<uint64_t>(s.lowest)) % 4);
        s.pitch = (s.lead + 3 * s.pixels + 3) / 4 * 4;
        s.inverse_units = whole_inverse(bytes ? s.pitch / 4 : s.pixels);
        s.rows_at_once = lesser(kRoom / s.pitch, tile_rows);
    }

    template <PixelFormat kFormat>
    HPE_HD_METHOD void fill_tile(int step, const Block& block, int thread, Shared& s) const {
        const Tile tile = tile_of(block);
        const BoxFace& face = faces[tile.face];
        const Frame frame = frame_of(face.frame);
        const bool swap_colors = face.frame.swap_colors != 0;
        const Bgr fill = fill_of(crop, swap_colors);
        const FaceOutput<T> to(out, tile.face, input, swap_colors);
        if (s.rows_at_once > 0) {
            const int first = step / 2 * s.rows_at_once;
            const int rows = lesser(s.rows_at_once, tile.rows - first);
            if (step % 2 == 1)
                each_output(tile, first, rows, thread, [&](int row, int column) {
                    const float* weighed = s.room + (row - first) * s.pitch + s.lead - 3 * s.lowest;
                    to.store(tile.row + row, tile.column + column,
                             resampled(weighed, s.column[column], face.place.slope_x, fill));
                });
            else if (kFormat == PixelFormat::kColor)
                weigh_bytes(frame, first, rows, face.place.slope_y, thread, fill, s);
            else
                weigh_pixels<kFormat>(frame, first, rows, face.place.slope_y, thread, fill, s);
            return;
        }
        switch (static_cast<Sampling>(face.place.sampling)) {
            case Sampling::kRows:
                each_output(tile, 0, tile.rows, thread, [&](int row, int column) {
                    to.store(tile.row + row, tile.column + column,
                             direct<kFormat>(frame, s.row[row], s.column[column], face.place, fill));
                });
                return;
            case Sampling::kMeans:
                each_output(tile, 0, tile.rows, thread, [&](int row, int column) {
                    row += tile.row;
                    column += tile.column;
                    to.store(row, column, mean<kFormat>(frame, face.place, row, column, fill));
                });
                return;
            default:
                each_run<kFormat>(frame, face.place, tile, thread, fill, to);
        }
    }

    // Every thread owns outputs of the tile's rows `first` to `first + rows`.
    template <typename Output>
    HPE_HD_METHOD void each_output(const Tile& tile, int first, int rows, int thread, const Output& output) const {
        for (int i = thread; i < rows * tile_columns; i += kThreads) {
            const int row = whole_quotient(i, inverse_columns), column = i - row * tile_columns;
            if (column < tile.columns) output(first + row, column);
        }
    }

    template <PixelFormat kFormat>
    HPE_HD_METHOD void each_run(const Frame& frame, const CropPlace& place, const Tile& tile, int thread,
                                const Bgr& fill, const FaceOutput<T>& to) const {
        const int runs = tile_columns / kRun;
        for (int i = thread; i < tile.rows * runs; i += kThreads) {
            // i / runs, since inverse_columns is that of kRun * runs.
            const int row = whole_quotient(i * kRun, inverse_columns), column = (i - row * runs) * kRun;
            if (column >= tile.columns) continue;
            write_run<kFormat>(frame, place, tile.row + row, tile.column + column, lesser(kRun, tile.columns - column),
                               fill, to);
        }
    }

    template <PixelFormat kFormat>
    HPE_HD_METHOD static Bgr mean(const Frame& frame, const CropPlace& p, int row, int column, const Bgr& fill) {
        const PixelCell c = turned_cell(p, row, column);
        return mean_cell<kFormat>(frame, p.across, p.down, c.x, c.y, c.tx, c.ty, fill);
    }

    // The difference to the fill makes a tap outside the frame a missing term. Only for windows so wide that not even
    // one of their rows has room.
    template <PixelFormat kFormat>
    HPE_HD_METHOD static Bgr direct(const Frame& frame, const Taps& ys, const Taps& xs, const CropPlace& place,
                                    const Bgr& fill) {
        Bgr level = fill;
        float down = ys.start;
        HPE_NO_UNROLL
        for (int y = ys.first; y <= ys.last; ++y, down += 1.0f) {
            Bgr sum{0.0f, 0.0f, 0.0f};
            float across = xs.start;
            HPE_NO_UNROLL
            for (int x = xs.first; x <= xs.last; ++x, across += 1.0f) {
                const Bgr p = pixel_at<kFormat>(frame, x, y);
                add_scaled(sum, triangle(across, place.slope_x), {p.b - fill.b, p.g - fill.g, p.r - fill.r});
            }
            add_scaled(level, triangle(down, place.slope_y) * ys.norm * xs.norm, sum);
        }
        return level;
    }

    // `weighed` is indexed by pixels of the frame.
    HPE_HD_METHOD static Bgr resampled(const float* weighed, const Taps& xs, float slope, const Bgr& fill) {
        Bgr sum{0.0f, 0.0f, 0.0f};
        float distance = xs.start;
        const float* p = weighed + 3 * xs.first;
        HPE_UNROLL_2
        for (int x = xs.first; x <= xs.last; ++x, p += 3, distance += 1.0f)
            add_scaled(sum, triangle(distance, slope), {p[0], p[1], p[2]});
        Bgr level = fill;
        add_scaled(level, xs.norm, sum);
        return level;
    }

    template <PixelFormat kFormat>
    HPE_HD_METHOD static void weigh_pixels(const Frame& frame, int first, int rows, float slope, int thread,
                                           const Bgr& fill, Shared& s) {
        for (int i = thread; i < rows * s.pixels; i += kThreads) {
            const int row = whole_quotient(i, s.inverse_units), pixel = i - row * s.pixels;
            const Taps& ys = s.row[first + row];
            Bgr sum{0.0f, 0.0f, 0.0f};
            float distance = ys.start;
            for (int y = ys.first; y <= ys.last; ++y, distance += 1.0f) {
                const Bgr p = pixel_at<kFormat>(frame, s.lowest + pixel, y);
                add_scaled(sum, triangle(distance, slope), {p.b - fill.b, p.g - fill.g, p.r - fill.r});
            }
            float* to = s.room + row * s.pitch + 3 * pixel;
            to[0] = sum.b * ys.norm;
            to[1] = sum.g * ys.norm;
            to[2] = sum.r * ys.norm;
        }
    }

    // As weigh_pixels; each thread owns four bytes side by side, which are one load where the rows lie on words.
    HPE_HD_METHOD static void weigh_bytes(const Frame& frame, int first, int rows, float slope, int thread,
                                          const Bgr& fill, Shared& s) {
        const int bytes = 3 * s.pixels, units = s.pitch / 4;
        const bool words = frame.row_stride_bytes % 4 == 0;
        for (int i = thread; i < rows * units; i += kThreads) {
            const int row = whole_quotient(i, s.inverse_units), unit = i - row * units, at = 4 * unit - s.lead;
            const Taps& ys = s.row[first + row];
            const uint8_t* p =
                frame.data + ys.first * frame.row_stride_bytes + 3 * static_cast<ptrdiff_t>(s.lowest) + at;
            const bool whole = words && at >= 0 && at + 4 <= bytes;
            float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f}, inside = 0.0f, distance = ys.start;
            for (int y = ys.first; y <= ys.last; ++y, p += frame.row_stride_bytes, distance += 1.0f) {
                const float weight = triangle(distance, slope);
                inside += weight;
                uint32_t word = 0;
                if (whole) {
                    word = load_word(p);
                } else {
                    HPE_UNROLL
                    for (int k = 0; k < 4; ++k)
                        if (at + k >= 0 && at + k < bytes)
                            word |= static_cast<uint32_t>(load_constant(p + k)) << (8 * k);
                }
                HPE_UNROLL
                for (int k = 0; k < 4; ++k) sum[k] += weight * byte_level(word, k);
            }
            // Byte `at` is of channel (unit - lead) mod 3, as 4 is 1 more than 3.
            const int channel = (unit + 3 - s.lead) % 3;
            const float now = channel == 0 ? fill.b : channel == 1 ? fill.g : fill.r;
            const float next = channel == 0 ? fill.g : channel == 1 ? fill.r : fill.b;
            const float last = channel == 0 ? fill.r : channel == 1 ? fill.b : fill.g;
            Run<float> weighed{{(sum[0] - inside * now) * ys.norm, (sum[1] - inside * next) * ys.norm,
                                (sum[2] - inside * last) * ys.norm, (sum[3] - inside * now) * ys.norm}};
            *reinterpret_cast<Run<float>*>(s.room + row * s.pitch + 4 * unit) = weighed;
        }
    }
};

}  // namespace hpe

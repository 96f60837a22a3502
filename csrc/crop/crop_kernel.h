// The CUDA launch of crop_normalize without antialiasing: every output mixes two by two pixels. Each thread owns a run
// of kRun outputs side by side, and needs nothing of the others.
#pragma once

#include "crop/cell.h"
#include "crop/face_output.h"
#include "crop/face_record.h"
#include "cuda/launch.h"

namespace hpe {

// Between which pixels of the cut a place along an axis lies; at the cut's edges the outermost pixels repeat.
struct CutPlace {
    int first;
    float t;
};

HPE_HD CutPlace cut_place(Fixed at, int first, int last) {
    const int whole = whole_of(at);
    const float t = fraction_of(at);
    const bool before = whole < first, behind = whole >= last;
    return {before ? first : behind ? last - 1 : whole, before ? 0.0f : behind ? 1.0f : t};
}

HPE_HD PixelCell plain_cell(const CropPlace& place, int row, int column) {
    const CutPlace x = cut_place(along(place.x, place.column_x, column), place.first_x, place.last_x);
    const CutPlace y = cut_place(along(place.y, place.row_y, row), place.first_y, place.last_y);
    return {x.first, y.first, x.t, y.t};
}

HPE_HD PixelCell turned_cell(const CropPlace& place, int row, int column) {
    const Fixed x = along(along(place.x, place.column_x, column), place.row_x, row);
    const Fixed y = along(along(place.y, place.column_y, column), place.row_y, row);
    return {whole_of(x), whole_of(y), fraction_of(x), fraction_of(y)};
}

// kRun outputs from (row, column) on, if all that they read is inner to the frame; else false.
template <PixelFormat kFormat>
HPE_HD bool plain_run(const Frame& frame, const CropPlace& place, int row, int column, Bgr* levels) {
    const CutPlace y = cut_place(along(place.y, place.row_y, row), place.first_y, place.last_y);
    CutPlace x[kRun];
    Fixed at = along(place.x, place.column_x, column);
    HPE_UNROLL
    for (int i = 0; i < kRun; ++i, at += place.column_x) x[i] = cut_place(at, place.first_x, place.last_x);
    if (!is_inner(frame, x[0].first, x[kRun - 1].first, y.first, y.first)) return false;
    const uint8_t* row_at = frame.data + y.first * frame.row_stride_bytes;
    const WordRow upper = word_row(row_at), lower = word_row(row_at + frame.row_stride_bytes);
    HPE_UNROLL
    for (int i = 0; i < kRun; ++i)
        levels[i] = kFormat == PixelFormat::kColor ? pair_level(upper, lower, x[i].first, x[i].t, y.t)
                                                   : inner_level<kFormat>(frame, {x[i].first, y.first, x[i].t, y.t});
    return true;
}

// As plain_run; rows of outputs are not the frame's.
template <PixelFormat kFormat>
HPE_HD bool turned_run(const Frame& frame, const CropPlace& place, int row, int column, Bgr* levels) {
    Fixed x = along(along(place.x, place.column_x, column), place.row_x, row);
    Fixed y = along(along(place.y, place.column_y, column), place.row_y, row);
    const int left = whole_of(x), right = whole_of(x + (kRun - 1) * place.column_x);
    const int top = whole_of(y), bottom = whole_of(y + (kRun - 1) * place.column_y);
    if (!is_inner(frame, lesser(left, right), greater(left, right), lesser(top, bottom), greater(top, bottom)))
        return false;
    HPE_UNROLL
    for (int i = 0; i < kRun; ++i, x += place.column_x, y += place.column_y)
        levels[i] = inner_level<kFormat>(frame, {whole_of(x), whole_of(y), fraction_of(x), fraction_of(y)});
    return true;
}

// Writes `count` outputs, kRun at most, from (row, column) on of a place that samples pixels.
template <PixelFormat kFormat, typename T>
HPE_HD void write_run(const Frame& frame, const CropPlace& place, int row, int column, int count, const Bgr& fill,
                      const FaceOutput<T>& to) {
    const bool plain = place.sampling == static_cast<int32_t>(Sampling::kPixels);
    const bool empty = place.sampling == static_cast<int32_t>(Sampling::kFill);
    Bgr levels[kRun];
    if (plain ? plain_run<kFormat>(frame, place, row, column, levels)
              : !empty && turned_run<kFormat>(frame, place, row, column, levels))
        return to.store_run(row, column, levels, count);
    HPE_NO_UNROLL
    for (int i = column; i < column + count; ++i) {
        const PixelCell cell = plain ? plain_cell(place, row, i) : turned_cell(place, row, i);
        to.store(row, i, empty ? fill : cell_level<kFormat>(frame, cell, fill));
    }
}

// T: float, Half, uint8_t or HalfPixel.
template <typename T>
struct CropBody {
    static constexpr int kThreads = 256;
    static constexpr bool kShares = false;
    struct Shared {};

    const BoxFace* faces;
    int count;
    CropRule crop;
    InputRule input;
    T* out;
    int runs;  // of a row
    uint32_t inverse_runs;

    CropBody(const BoxFace* from, int face_count, const CropRule& rule, const InputRule& values, T* to)
        : faces(from),
          count(face_count),
          crop(rule),
          input(values),
          out(to),
          runs((values.size + kRun - 1) / kRun),
          inverse_runs(whole_inverse(runs)) {}

    HPE_HD_METHOD Grid grid() const { return {count, (input.size * runs + kThreads - 1) / kThreads, 1}; }
    HPE_HD_METHOD int phases(int, const Shared&) const { return 1; }

    HPE_HD_METHOD void phase(int, const Block& block, int thread, Shared&) const {
        const int run = block.y * kThreads + thread, row = whole_quotient(run, inverse_runs);
        if (row >= input.size) return;
        const int column = (run - row * runs) * kRun;
        const BoxFace& face = faces[block.x];
        const Frame frame = frame_of(face.frame);
        const bool swap_colors = face.frame.swap_colors != 0;
        const Bgr fill = fill_of(crop, swap_colors);
        const FaceOutput<T> to(out, block.x, input, swap_colors);
        const int here = lesser(kRun, input.size - column);
        switch (frame.format) {
            case PixelFormat::kColor:
                return write_run<PixelFormat::kColor>(frame, face.place, row, column, here, fill, to);
            case PixelFormat::kGray8:
                return write_run<PixelFormat::kGray8>(frame, face.place, row, column, here, fill, to);
            case PixelFormat::kNv12:
                return write_run<PixelFormat::kNv12>(frame, face.place, row, column, here, fill, to);
            case PixelFormat::kColor4:
                return write_run<PixelFormat::kColor4>(frame, face.place, row, column, here, fill, to);
        }
    }
};

}  // namespace hpe

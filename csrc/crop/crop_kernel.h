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
    if (whole < first) return {first, 0.0f};
    if (whole >= last) return {last - 1, 1.0f};
    return {whole, fraction_of(at)};
}

template <PixelFormat kFormat>
HPE_HD void plain_run(const Frame& frame, const CropPlace& place, int row, int column, const Bgr& fill, Bgr* levels) {
    const CutPlace y = cut_place(along(place.y, place.row_y, row), place.first_y, place.last_y);
    CutPlace x[kRun];
    Fixed at = along(place.x, place.column_x, column);
    HPE_UNROLL
    for (int i = 0; i < kRun; ++i, at += place.column_x) x[i] = cut_place(at, place.first_x, place.last_x);
    if (is_inner(frame, x[0].first, x[kRun - 1].first, y.first, y.first)) {
        HPE_UNROLL
        for (int i = 0; i < kRun; ++i) levels[i] = inner_level<kFormat>(frame, {x[i].first, y.first, x[i].t, y.t});
        return;
    }
    HPE_UNROLL
    for (int i = 0; i < kRun; ++i) levels[i] = cell_level<kFormat>(frame, {x[i].first, y.first, x[i].t, y.t}, fill);
}

HPE_HD PixelCell cell_at(Fixed x, Fixed y) {
    return {whole_of(x), whole_of(y), fraction_of(x), fraction_of(y)};
}

template <PixelFormat kFormat>
HPE_HD void turned_run(const Frame& frame, const CropPlace& place, int row, int column, const Bgr& fill, Bgr* levels) {
    Fixed x = along(along(place.x, place.column_x, column), place.row_x, row);
    Fixed y = along(along(place.y, place.column_y, column), place.row_y, row);
    const int left = whole_of(x), right = whole_of(x + (kRun - 1) * place.column_x);
    const int top = whole_of(y), bottom = whole_of(y + (kRun - 1) * place.column_y);
    const bool inner = is_inner(frame, lesser(left, right), greater(left, right), lesser(top, bottom),
                                greater(top, bottom));
    HPE_UNROLL
    for (int i = 0; i < kRun; ++i, x += place.column_x, y += place.column_y)
        levels[i] = inner ? inner_level<kFormat>(frame, cell_at(x, y)) : cell_level<kFormat>(frame, cell_at(x, y), fill);
}

// kRun outputs from (row, column) on of a place that samples pixels; those beyond the picture mean nothing.
template <PixelFormat kFormat>
HPE_HD void pixel_run(const Frame& frame, const CropPlace& place, int row, int column, const Bgr& fill, Bgr* levels) {
    switch (static_cast<Sampling>(place.sampling)) {
        case Sampling::kPixels:
            return plain_run<kFormat>(frame, place, row, column, fill, levels);
        case Sampling::kTurned:
            return turned_run<kFormat>(frame, place, row, column, fill, levels);
        default:
            HPE_UNROLL
            for (int i = 0; i < kRun; ++i) levels[i] = fill;
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
    HPE_HD_METHOD int phases(const Shared&) const { return 1; }

    HPE_HD_METHOD void phase(int, const Block& block, int thread, Shared&) const {
        const int run = block.y * kThreads + thread, row = whole_quotient(run, inverse_runs);
        if (row >= input.size) return;
        const int column = (run - row * runs) * kRun;
        switch (static_cast<PixelFormat>(faces[block.x].frame.format)) {
            case PixelFormat::kColor:
                return fill_run<PixelFormat::kColor>(block.x, row, column);
            case PixelFormat::kGray8:
                return fill_run<PixelFormat::kGray8>(block.x, row, column);
            case PixelFormat::kNv12:
                return fill_run<PixelFormat::kNv12>(block.x, row, column);
        }
    }

private:
    template <PixelFormat kFormat>
    HPE_HD_METHOD void fill_run(int index, int row, int column) const {
        const BoxFace& face = faces[index];
        const bool swap_colors = face.frame.swap_colors != 0;
        Bgr levels[kRun];
        pixel_run<kFormat>(frame_of(face.frame), face.place, row, column, fill_of(crop, swap_colors), levels);
        FaceOutput<T>(out, index, input, swap_colors).store_run(row, column, levels, lesser(kRun, input.size - column));
    }
};

}  // namespace hpe

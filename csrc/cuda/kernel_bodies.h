// Which body a launch needs. `run` gets it: a GPU's launcher, or the emulation.
#pragma once

#include <type_traits>

#include "crop/crop_kernel.h"
#include "crop/staged_kernel.h"
#include "crop/stretch_kernel.h"
#include "crop/warp_kernel.h"
#include "cuda/kernel_launch.h"
#include "decode/decode_kernel.h"
#include "decode/heatmap_kernel.h"

namespace hpe {

template <typename Run>
void run_crop(const CropPlan& plan, const BoxFace* faces, int count, void* out, const Run& run) {
    with_output_type(plan.output, out, [&](auto* to) {
        using T = std::remove_pointer_t<decltype(to)>;
        if (!plan.crop.antialias) return run(CropBody<T>(faces, count, plan.crop, plan.input, to));
        int rows = StagedCropBody<T>::kMaxRows;
        while (rows > 1 && count * ((plan.input.size + rows - 1) / rows) < plan.tiles_wanted) rows /= 2;
        run(StagedCropBody<T>(faces, count, plan.crop, plan.input, to, rows));
    });
}

template <typename Run>
void run_warp(const CropPlan& plan, const WarpFace* faces, int count, void* out, const Run& run) {
    with_output_type(plan.output, out, [&](auto* to) {
        run(WarpBody<std::remove_pointer_t<decltype(to)>>(faces, count, plan.crop, plan.input, to));
    });
}

template <typename Run>
void run_stretch(const CropPlan& plan, void* crops, int count, float* stretched, const Run& run) {
    with_output_type(plan.output, crops, [&](auto* typed) {
        using T = std::remove_pointer_t<decltype(typed)>;
        run(StretchBody<T>{typed, count, stretch_rule(plan.crop, plan.input), stretched});
    });
}

template <typename Run>
void run_decode(const DecodePlan& plan, const HeadView heads[3], int count, const PoseArrays& out, const Run& run) {
    if (has_bins(plan.kind))
        run(BinsBody{{heads[0], heads[1], heads[2]},
                     {plan.grid[0], plan.grid[1], plan.grid[2]},
                     plan.kind == DecodeKind::kBinsZxy,
                     count,
                     out});
    else
        run(PlainBody{plan.kind,
                      {heads[0], heads[1], heads[2]},
                      {plan.factors[0], plan.factors[1], plan.factors[2]},
                      count,
                      out});
}

template <typename Run>
void run_peaks(const HeatmapPlan& plan, const float* maps, ptrdiff_t row_stride, int faces, float* out,
               const Run& run) {
    run(PeakBody{plan, maps, row_stride, faces, out});
}

}  // namespace hpe

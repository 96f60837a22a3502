// Peaks of heatmaps: where each map is highest, between its pixels.
//
// The step between pixels is the vertex of the parabola through the highest value and its two neighbours, along x and
// along y. Of probabilities it is taken through their logarithms, whose parabola is exact where the map is a Gaussian.
// A map that is flat, or holds a number that is not finite, has no peak: NaN. Of several equal values the first one
// counts.
#pragma once

#include <cmath>
#include <cstddef>

#include "common/hd.h"
#include "cpu/kernels.h"

namespace hpe {

// Maps [faces, count, side, side] of float32; those of a face lie together.
struct HeatmapPlan {
    int count;
    int side;
    bool logarithm;  // the values are probabilities
};

// -0.5 .. 0.5, towards the higher neighbour; 0 of three equal values. `at` is not less than the others.
HPE_HD float vertex_step(float before, float at, float after) {
    const float bend = (at - before) + (at - after);
    return bend > 0.0f ? lesser(greater(0.5f * (after - before) / bend, -0.5f), 0.5f) : 0.0f;
}

// Along one axis, whose neighbours are `stride` apart; 0 at the map's edge, where one is missing.
HPE_HD float peak_step(const float* at, int stride, int place, int side, bool logarithm) {
    if (place == 0 || place == side - 1) return 0.0f;
    const float before = at[-stride], after = at[stride];
    // A probability that has vanished has no logarithm.
    if (!logarithm || !(before > 0.0f) || !(after > 0.0f)) return vertex_step(before, *at, after);
    return vertex_step(logf(before), logf(*at), logf(after));
}

// Writes x and y as fractions of the map, whose corners are (0, 0) and (1, 1).
HPE_HD void write_peak(const float* map, const MapExtremes& found, const HeatmapPlan& plan, float* out) {
    const bool sound = found.highest > found.lowest;  // false for a NaN
    const int x = sound ? found.at % plan.side : 0, y = sound ? found.at / plan.side : 0;
    const float* at = map + static_cast<ptrdiff_t>(y) * plan.side + x;
    const float step_x = sound ? peak_step(at, 1, x, plan.side, plan.logarithm) : NAN;
    const float step_y = sound ? peak_step(at, plan.side, y, plan.side, plan.logarithm) : NAN;
    out[0] = (static_cast<float>(x) + 0.5f + step_x) / static_cast<float>(plan.side);
    out[1] = (static_cast<float>(y) + 0.5f + step_y) / static_cast<float>(plan.side);
}

// `maps` of face i begin at i * row_stride floats; `out` [faces, count, 2].
void find_peaks(const HeatmapPlan& plan, const float* maps, ptrdiff_t row_stride, int faces,
                const DecodeKernels& kernels, float* out);

}  // namespace hpe

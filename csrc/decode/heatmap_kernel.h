// The CUDA launch of the heatmaps' peaks: a block owns a map.
#pragma once

#include "cuda/launch.h"
#include "decode/heatmap.h"

namespace hpe {

struct PeakBody {
    static constexpr int kThreads = 256;
    static constexpr bool kShares = true;
    struct Shared {
        MapExtremes part[kThreads];
    };

    HeatmapPlan plan;
    const float* maps;
    ptrdiff_t row_stride;
    int faces;
    float* out;

    HPE_HD_METHOD Grid grid() const { return {faces, plan.count, 1}; }
    HPE_HD_METHOD int phases(int, const Shared&) const { return 2; }

    HPE_HD_METHOD void phase(int phase, const Block& block, int thread, Shared& s) const {
        const int size = plan.side * plan.side;
        const float* map = maps + block.x * row_stride + static_cast<ptrdiff_t>(block.y) * size;
        if (phase == 0) {
            MapExtremes mine{-INFINITY, INFINITY, size};
            float poison = 0.0f;
            for (int i = thread; i < size; i += kThreads) {
                const float value = map[i];
                poison += 0.0f * value;
                if (value > mine.highest) mine = {value, mine.lowest, i};
                mine.lowest = lesser(mine.lowest, value);
            }
            mine.lowest += poison;
            s.part[thread] = mine;
        } else if (thread == 0) {
            MapExtremes all = s.part[0];
            float poison = 0.0f * all.lowest;
            for (int i = 1; i < lesser(kThreads, size); ++i) {
                const MapExtremes& other = s.part[i];
                poison += 0.0f * other.lowest;
                const bool first = other.highest == all.highest && other.at < all.at;
                if (other.highest > all.highest || first) all = {other.highest, all.lowest, other.at};
                all.lowest = lesser(all.lowest, other.lowest);
            }
            all.lowest += poison;
            write_peak(map, all, plan, out + 2 * (static_cast<ptrdiff_t>(block.x) * plan.count + block.y));
        }
    }
};

}  // namespace hpe

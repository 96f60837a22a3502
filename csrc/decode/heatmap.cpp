#include "decode/heatmap.h"

namespace hpe {

void find_peaks(const HeatmapPlan& plan, const float* maps, ptrdiff_t row_stride, int faces,
                const DecodeKernels& kernels, float* out) {
    const int size = plan.side * plan.side;
    for (int face = 0; face < faces; ++face) {
        for (int k = 0; k < plan.count; ++k, out += 2) {
            const float* map = maps + face * row_stride + static_cast<ptrdiff_t>(k) * size;
            write_peak(map, kernels.extremes(map, size), plan, out);
        }
    }
}

}  // namespace hpe

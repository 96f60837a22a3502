// Compiled once per instruction set, like row_kernels.cpp and under the same rule: no standard-library templates.
#include "cpu/kernels.h"
#include "cpu/simd/simd.h"

namespace hpe::HPE_ISA {
namespace {

void weigh_runs(const float* const* runs, const float* weights, int count, int length, float* out) {
    int i = 0;
    for (; i + kLanes <= length; i += kLanes) {
        Vec sum = splat(0.0f);
        for (int k = 0; k < count; ++k) sum = mul_add(splat(weights[k]), load(runs[k] + i), sum);
        store(out + i, sum);
    }
    for (; i < length; ++i) {
        float sum = 0.0f;
        for (int k = 0; k < count; ++k) sum += weights[k] * runs[k][i];
        out[i] = sum;
    }
}

void drop_overlapping(const BoxSides& boxes, int best, int count, float limit, int* dropped) {
    const float x1 = boxes.x1[best], y1 = boxes.y1[best], x2 = boxes.x2[best], y2 = boxes.y2[best];
    const float area = boxes.area[best];
    // Without branches, so that the compiler takes whole vectors.
    for (int i = best + 1; i < count; ++i) {
        const float width = lesser(x2, boxes.x2[i]) - greater(x1, boxes.x1[i]);
        const float height = lesser(y2, boxes.y2[i]) - greater(y1, boxes.y1[i]);
        const float common = greater(width, 0.0f) * greater(height, 0.0f);
        dropped[i] |= common / (area + boxes.area[i] - common) > limit;
    }
}

}  // namespace

extern const RegionKernels region_kernels = {weigh_runs, drop_overlapping};

}  // namespace hpe::HPE_ISA

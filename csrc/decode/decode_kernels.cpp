// Compiled once per instruction set, like row_kernels.cpp and under the same rule: no standard-library templates.
#include <cmath>

#include "common/exp.h"
#include "cpu/kernels.h"
#include "cpu/simd/simd.h"

namespace hpe::HPE_ISA {
namespace {

HPE_HD Vec weighted_sum(const float* weight, const float* values, int count) {
    Vec sum = splat(0.0f);
    int i = 0;
    for (; i + kLanes <= count; i += kLanes) sum = mul_add(load(weight + i), load(values + i), sum);
    if (i < count) sum = mul_add(load(weight + i), load_first(values + i, count - i, 0.0f), sum);
    return sum;
}

Moments softmax_moments(const float* logits, int count, const float* cosines, const float* sines, float* scratch) {
    const int whole = count / kLanes * kLanes;
    // Padded with what has no weight in a softmax.
    const Vec tail = load_first(logits + whole, count - whole, -INFINITY);

    // A NaN may be lost here, but not in the exponentials below.
    Vec highest = tail;
    for (int i = 0; i < whole; i += kLanes) highest = maximum(highest, load(logits + i));
    const Vec peak = splat(maximum_of(highest));

    alignas(64) static constexpr float kSteps[kLanes] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const Vec steps = load(kSteps);
    const Vec lanes = splat(static_cast<float>(kLanes));
    Vec sum = splat(0.0f), first = splat(0.0f), bin = steps;
    for (int i = 0; i < count; i += kLanes) {
        const Vec e = exp_nonpositive(sub(i < whole ? load(logits + i) : tail, peak));
        store(scratch + i, e);
        sum = add(sum, e);
        first = mul_add(e, bin, first);
        bin = add(bin, lanes);
    }
    const float norm = 1.0f / sum_of(sum);
    Moments m{};
    m.mean = sum_of(first) * norm;

    // A second pass about the mean: the one-pass form loses a peaked distribution's variance to cancellation.
    Vec second = splat(0.0f), distance = sub(steps, splat(m.mean));
    for (int i = 0; i < count; i += kLanes) {
        second = mul_add(mul(load(scratch + i), distance), distance, second);
        distance = add(distance, lanes);
    }
    m.variance = sum_of(second) * norm;

    if (cosines && sines) {
        m.cosine = sum_of(weighted_sum(scratch, cosines, count)) * norm;
        m.sine = sum_of(weighted_sum(scratch, sines, count)) * norm;
    }
    return m;
}

constexpr int kBlock = 4096;  // values that are looked through again for the place of the highest

MapExtremes extremes(const float* values, int count) {
    const float endless = INFINITY;
    const Vec zero = splat(0.0f);
    Vec negated = splat(-endless), poison = zero;  // 0 times what is not finite is NaN
    float highest = -endless;
    int block = 0;
    for (int from = 0; from < count; from += kBlock) {
        const int size = lesser(count - from, kBlock);
        const float* v = values + from;
        Vec most = splat(-endless);
        int i = 0;
        for (; i + kLanes <= size; i += kLanes) {
            const Vec some = load(v + i);
            most = maximum(most, some);
            negated = maximum(negated, sub(zero, some));
            poison = mul_add(some, zero, poison);
        }
        if (i < size) {
            const Vec some = load_first(v + i, size - i, v[size - 1]);
            most = maximum(most, some);
            negated = maximum(negated, sub(zero, some));
            poison = mul_add(some, zero, poison);
        }
        const float here = maximum_of(most);
        if (here > highest) {
            highest = here;
            block = from;
        }
    }
    int at = block;
    while (at + 1 < count && values[at] < highest) ++at;
    return {highest, sum_of(poison) - maximum_of(negated), at};
}

}  // namespace

extern const DecodeKernels decode_kernels = {softmax_moments, extremes};

}  // namespace hpe::HPE_ISA

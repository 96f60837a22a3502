// Compiled once per instruction set, like row_kernels.cpp and under the same rule: no standard-library templates.
#include "exp.h"
#include "kernels.h"

namespace hpe::HPE_ISA {
namespace {

// Sixteen running sums, so that the compiler may keep them in vector registers without reordering anything.
struct Lanes {
    float v[kLanes];
};

HPE_HD float total(const Lanes& lanes) {
    float sum = 0.0f;
    for (int l = 0; l < kLanes; ++l) sum += lanes.v[l];
    return sum;
}

Moments softmax_moments(const float* logits, int count, const float* cosines, const float* sines, float* scratch) {
    float peak = logits[0];
    for (int i = 1; i < count; ++i) peak = greater(peak, logits[i]);

    const int padded = (count + kLanes - 1) / kLanes * kLanes;
    for (int i = 0; i < count; ++i) scratch[i] = logits[i] - peak;
    for (int i = count; i < padded; ++i) scratch[i] = -1000.0f;

    Lanes sum{}, first{};
    for (int i = 0; i < padded; i += kLanes) {
        for (int l = 0; l < kLanes; ++l) {
            const float e = exp_nonpositive(scratch[i + l]);
            scratch[i + l] = e;
            sum.v[l] += e;
            first.v[l] += e * static_cast<float>(i + l);
        }
    }
    const float norm = 1.0f / total(sum);
    Moments m{};
    m.mean = total(first) * norm;

    // A second pass about the mean: the one-pass form loses a peaked distribution's variance to cancellation.
    Lanes second{};
    for (int i = 0; i < padded; i += kLanes) {
        for (int l = 0; l < kLanes; ++l) {
            const float d = static_cast<float>(i + l) - m.mean;
            second.v[l] += scratch[i + l] * d * d;
        }
    }
    m.variance = total(second) * norm;

    if (cosines && sines) {
        for (int i = 0; i < count; ++i) {
            m.cosine += scratch[i] * cosines[i];
            m.sine += scratch[i] * sines[i];
        }
        m.cosine *= norm;
        m.sine *= norm;
    }
    return m;
}

}  // namespace

extern const DecodeKernels decode_kernels = {softmax_moments};

}  // namespace hpe::HPE_ISA

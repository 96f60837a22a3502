// The softmax of every instruction set against double precision, over head widths round the vector length and logits in
// blocks that end where the data ends.
#include "decode.h"

#include <algorithm>

#include "check.h"
#include "exp.h"
#include "isa.h"

void decode_tests() {
    using namespace hpe;
    for (float x = 0.0f; x > -90.0f; x -= 0.01f) {
        const double want = x < -87.0f ? 0.0 : std::exp(static_cast<double>(x));
        CHECK(std::fabs(exp_nonpositive(x) - want) <= 3e-7 * want, "exp(%g)", static_cast<double>(x));
    }
    CHECK(std::isnan(exp_nonpositive(NAN)), "exp of NaN");
    CHECK(exp_nonpositive(-INFINITY) == 0.0f, "exp of minus infinity");

    std::mt19937 random(3);
    for (const Isa& isa : usable_isas()) {
        for (int count = 1; count <= 70; ++count) {
            std::vector<float> logits(count), cosines(count), sines(count);
            std::vector<float> scratch((count + kLanes - 1) / kLanes * kLanes);
            for (int k = 0; k < count; ++k) {
                logits[k] = static_cast<float>(random() % 2000) / 100.0f - 10.0f;
                cosines[k] = std::cos(static_cast<float>(k) * 0.05f);
                sines[k] = std::sin(static_cast<float>(k) * 0.05f);
            }
            const double peak = *std::max_element(logits.begin(), logits.end());
            double sum = 0, mean = 0, variance = 0, cosine = 0, sine = 0;
            for (int k = 0; k < count; ++k) sum += std::exp(logits[k] - peak);
            for (int k = 0; k < count; ++k) {
                const double p = std::exp(logits[k] - peak) / sum;
                mean += p * k;
                cosine += p * cosines[k];
                sine += p * sines[k];
            }
            for (int k = 0; k < count; ++k) variance += std::exp(logits[k] - peak) / sum * (k - mean) * (k - mean);
            const Moments m =
                isa.decode->softmax_moments(logits.data(), count, cosines.data(), sines.data(), scratch.data());
            CHECK(std::fabs(m.mean - mean) < 1e-4, "%s %d bins: mean", isa.name, count);
            CHECK(std::fabs(m.variance - variance) < 1e-5 * std::max(1.0, variance) * 10, "%s %d bins: variance",
                  isa.name, count);
            CHECK(std::fabs(m.cosine - cosine) < 1e-5 && std::fabs(m.sine - sine) < 1e-5, "%s %d bins: circle",
                  isa.name, count);
        }
    }
}

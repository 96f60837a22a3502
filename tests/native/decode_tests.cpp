// The softmax of every instruction set against double precision, over head widths round the vector length and logits in
// blocks that end where the data ends; the rotation heads over such blocks, too. Their formulas are tested against
// float64 oracles from Python.
#include "decode/decode.h"

#include <algorithm>

#include <limits>

#include "check.h"
#include "common/exp.h"
#include "cpu/isa.h"

namespace {

using namespace hpe;

// Three faces: the first and the last look straight into the camera, the middle one is NaN.
template <typename Loop>
void check_rotation_head(const char* name, const std::vector<float>& straight, const Loop& decode) {
    const size_t width = straight.size();
    std::vector<float> rows(3 * width, NAN);
    std::copy(straight.begin(), straight.end(), rows.begin());
    std::copy(straight.begin(), straight.end(), rows.end() - width);
    std::vector<float> angles(9), sigma(9), rotation(27);
    const float signs[3] = {1.0f, -1.0f, -1.0f};
    decode({rows.data(), static_cast<ptrdiff_t>(width)}, 3, signs, {angles.data(), sigma.data(), rotation.data()});
    for (int i = 0; i < 3; ++i) {
        CHECK(std::fabs(angles[i]) < 1e-6f && std::fabs(angles[6 + i]) < 1e-6f, "%s: angle %d", name, i);
        CHECK(std::isnan(angles[3 + i]) && std::isnan(sigma[i]), "%s: angle %d of NaN", name, i);
    }
    for (int i = 0; i < 9; ++i) {
        CHECK(std::fabs(rotation[i] - (i % 4 == 0 ? 1.0f : 0.0f)) < 1e-6f, "%s: element %d", name, i);
        CHECK(std::isnan(rotation[9 + i]), "%s: element %d of NaN", name, i);
    }
}

}  // namespace

void decode_tests() {
    check_rotation_head("rot6d", {1, 0, 0, 0, 1, 0}, decode_rot6d);
    check_rotation_head("matrix", {1, 0, 0, 0, 1, 0, 0, 0, 1}, decode_matrix);
    check_rotation_head("quaternion", {-2, 0, 0, 0}, decode_quaternion);

    for (float x = 0.0f; x > -90.0f; x -= 0.01f) {
        const double want = x < -87.0f ? 0.0 : std::exp(static_cast<double>(x));
        CHECK(std::fabs(exp_nonpositive(x) - want) <= 3e-7 * want, "exp(%g)", static_cast<double>(x));
    }
    CHECK(std::isnan(exp_nonpositive(std::numeric_limits<float>::quiet_NaN())), "exp of NaN");
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

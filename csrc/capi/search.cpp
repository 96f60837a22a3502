#include "capi/search.h"

#include <algorithm>
#include <cmath>

#include "hpe_edge.h"

namespace hpe {
namespace {

constexpr double kAskAgainSigmaDeg = 8.0;  // root mean square of the sigmas beyond which a face is asked again
constexpr double kSurer = 0.8;             // sigma of an answer that replaces the first, in sigmas of the first
constexpr double kAlikeDeg = 25.0;         // distance of an answer that confirms another
constexpr int kLooks = HPE_SEARCH_LOOKS + 1;

constexpr double kDegrees = 180.0 / 3.14159265358979323846;

float sigma_rms(const float* sigma) {
    float sum = 0.0f;
    for (int i = 0; i < 3; ++i) sum += sigma[i] * sigma[i];
    return std::sqrt(sum / 3.0f);
}

// From the length of a - b, which is exact for small angles too; NaN for a NaN.
double geodesic_deg(const float* a, const float* b) {
    double sum = 0.0;
    for (int i = 0; i < 9; ++i) sum += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
    const double sine = std::sqrt(sum / 8.0);
    return 2.0 * std::asin(sine > 1.0 ? 1.0 : sine) * kDegrees;
}

// Which of the answers is taken; the first one, 0, is the answer so far.
int best_of(const float* const rotations[kLooks], const float sigmas[kLooks]) {
    int best = 0;
    for (int i = 1; i < kLooks; ++i)
        if (sigmas[i] < sigmas[best]) best = i;
    int alike = 0;  // the best one included, but for a NaN
    for (int i = 0; i < kLooks; ++i) alike += geodesic_deg(rotations[i], rotations[best]) < kAlikeDeg;
    const bool surer = sigmas[best] < kSurer * sigmas[0];
    const bool another = geodesic_deg(rotations[0], rotations[best]) >= kAlikeDeg;  // else no turned face's
    return surer && another && alike > 1 ? best : 0;
}

}  // namespace

int32_t search_turns(const float* turns_deg, int32_t count, const float* sigma_deg, int32_t* doubtful,
                     float* look_turns_deg) {
    int32_t found = 0;
    for (int32_t i = 0; i < count; ++i) {
        if (!(sigma_rms(sigma_deg + 3 * static_cast<ptrdiff_t>(i)) > kAskAgainSigmaDeg)) continue;
        doubtful[found] = i;
        float* turns = look_turns_deg + HPE_SEARCH_LOOKS * static_cast<ptrdiff_t>(found++);
        const float first = turns_deg ? turns_deg[i] : 0.0f;
        for (int k = 1; k < kLooks; ++k) turns[k - 1] = first + static_cast<float>(k) * (360.0f / kLooks);
    }
    return found;
}

void take_looks(const int32_t* doubtful, int32_t doubtful_count, const PoseArrays& looks, const PoseArrays& poses,
                int32_t* taken) {
    for (int32_t k = 0; k < doubtful_count; ++k) {
        const ptrdiff_t face = doubtful[k], first = HPE_SEARCH_LOOKS * static_cast<ptrdiff_t>(k);
        const float* rotations[kLooks] = {poses.rotation + 9 * face};
        float sigmas[kLooks] = {sigma_rms(poses.sigma + 3 * face)};
        for (int i = 1; i < kLooks; ++i) {
            rotations[i] = looks.rotation + 9 * (first + i - 1);
            const float sigma = sigma_rms(looks.sigma + 3 * (first + i - 1));
            sigmas[i] = std::isnan(sigma) ? INFINITY : sigma;
        }
        const int best = best_of(rotations, sigmas);
        if (taken) taken[k] = best - 1;
        if (best == 0) continue;
        const ptrdiff_t look = first + best - 1;
        std::copy_n(looks.angles + 3 * look, 3, poses.angles + 3 * face);
        std::copy_n(looks.sigma + 3 * look, 3, poses.sigma + 3 * face);
        std::copy_n(looks.rotation + 9 * look, 9, poses.rotation + 9 * face);
    }
}

}  // namespace hpe

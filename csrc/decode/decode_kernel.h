// The CUDA launch of decode: all faces at once, sigma and rotation included.
#pragma once

#include "common/exp.h"
#include "cuda/launch.h"
#include "decode/decode.h"

namespace hpe {

// Bins: a block owns a face, and kLanesPerHead of its threads own a head, whose bins they deal out among themselves.
struct BinsBody {
    static constexpr int kLanesPerHead = 32;
    static constexpr int kThreads = 3 * kLanesPerHead;
    static constexpr bool kShares = true;

    // What one thread knows of its bins.
    struct Part {
        float peak, sum, first, cosine, sine, second;
    };
    struct Shared {
        Part part[3][kLanesPerHead];
        float angle[3], sigma[3];
    };

    HeadView heads[3];
    BinGrid grids[3];
    bool zxy;
    int count;
    PoseArrays out;

    HPE_HD_METHOD Grid grid() const { return {count, 1, 1}; }
    HPE_HD_METHOD int phases(int, const Shared&) const { return 5; }

    HPE_HD_METHOD void phase(int phase, const Block& block, int thread, Shared& s) const {
        const int face = block.x;
        const int head = thread / kLanesPerHead, lane = thread % kLanesPerHead;
        // Indices that the compiler knows: arrays among a kernel's parameters are copied before they are indexed.
        const HeadView view = head == 0 ? heads[0] : head == 1 ? heads[1] : heads[2];
        const BinGrid bins = head == 0 ? grids[0] : head == 1 ? grids[1] : grids[2];
        const float* logits = view.data + face * view.row_stride;
        Part* parts = s.part[head];
        if (phase == 0) {
            // A NaN may be lost here, but not in the exponentials below.
            float peak = -INFINITY;
            for (int k = lane; k < bins.count; k += kLanesPerHead) peak = greater(peak, logits[k]);
            parts[lane].peak = peak;
        } else if (phase == 1) {
            weigh(logits, bins, lane, parts);
        } else if (phase == 2) {
            // A second pass about the mean: the one-pass form loses a peaked distribution's variance to cancellation.
            const float peak = peak_of(parts), mean = total_of(parts, &Part::first) / total_of(parts, &Part::sum);
            float second = 0.0f;
            for (int k = lane; k < bins.count; k += kLanesPerHead) {
                const float distance = static_cast<float>(k) - mean;
                second += exp_nonpositive(logits[k] - peak) * distance * distance;
            }
            parts[lane].second = second;
        } else if (phase == 3) {
            if (lane != 0) return;
            const float norm = 1.0f / total_of(parts, &Part::sum);
            const Moments m{total_of(parts, &Part::first) * norm, total_of(parts, &Part::second) * norm,
                            total_of(parts, &Part::cosine) * norm, total_of(parts, &Part::sine) * norm};
            s.angle[head] = expected_angle(bins, m);
            s.sigma[head] = angle_deviation(bins, m);
        } else if (thread == 0) {
            const Angles heads_say{s.angle[0], s.angle[1], s.angle[2]};
            write_pose(zxy ? angles_from_zxy(heads_say) : heads_say, s.sigma, out, face);
        }
    }

private:
    HPE_HD_METHOD static void weigh(const float* logits, const BinGrid& grid, int lane, Part* parts) {
        const float peak = peak_of(parts);
        float sum = 0.0f, first = 0.0f, cosine = 0.0f, sine = 0.0f;
        for (int k = lane; k < grid.count; k += kLanesPerHead) {
            const float e = exp_nonpositive(logits[k] - peak);
            sum += e;
            first += e * static_cast<float>(k);
            if (!grid.circular) continue;
            const SineCosine angle = sine_cosine(grid.first_deg + static_cast<float>(k) * grid.step_deg);
            cosine += e * angle.cosine;
            sine += e * angle.sine;
        }
        parts[lane].sum = sum;
        parts[lane].first = first;
        parts[lane].cosine = cosine;
        parts[lane].sine = sine;
    }

    HPE_HD_METHOD static float peak_of(const Part* parts) {
        float peak = parts[0].peak;
        for (int i = 1; i < kLanesPerHead; ++i) peak = greater(peak, parts[i].peak);
        return peak;
    }

    HPE_HD_METHOD static float total_of(const Part* parts, float Part::* what) {
        float total = 0.0f;
        for (int i = 0; i < kLanesPerHead; ++i) total += parts[i].*what;
        return total;
    }
};

// Angles and rotations: each thread owns a face.
struct PlainBody {
    static constexpr int kThreads = 128;
    static constexpr bool kShares = false;
    struct Shared {};

    DecodeKind kind;    // without bins
    HeadView heads[3];  // of a rotation only the first
    float factors[3];   // of angles; the signs of a rotation's triple
    int count;
    PoseArrays out;

    HPE_HD_METHOD Grid grid() const { return {(count + kThreads - 1) / kThreads, 1, 1}; }
    HPE_HD_METHOD int phases(int, const Shared&) const { return 1; }

    HPE_HD_METHOD void phase(int, const Block& block, int thread, Shared&) const {
        const int face = block.x * kThreads + thread;
        if (face < count) write_pose(angles_of(face), nullptr, out, face);
    }

private:
    HPE_HD_METHOD Angles angles_of(int face) const {
        const float* row = heads[0].data + face * heads[0].row_stride;
        float m[9];
        switch (kind) {
            case DecodeKind::kRot6d:
                matrix_from_6d(row, m);
                return angles_from_label_matrix(m, factors);
            case DecodeKind::kMatrix:
                return angles_from_label_matrix(row, factors);
            case DecodeKind::kQuaternion:
                matrix_from_quaternion(row, m);
                return angles_from_label_matrix(m, factors);
            default:
                return {factors[0] * row[0], factors[1] * heads[1].data[face * heads[1].row_stride],
                        factors[2] * heads[2].data[face * heads[2].row_stride]};
        }
    }
};

}  // namespace hpe

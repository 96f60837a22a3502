#include "decode/decode.h"

namespace hpe {

BinDecode make_bin_decode(const BinGrid grids[3], bool zxy) {
    BinDecode bins;
    bins.zxy = zxy;
    for (int h = 0; h < 3; ++h) {
        bins.grid[h] = grids[h];
        if (!grids[h].circular) continue;
        for (int k = 0; k < grids[h].count; ++k) {
            const SineCosine angle = sine_cosine(grids[h].first_deg + static_cast<float>(k) * grids[h].step_deg);
            bins.cosines[h].push_back(angle.cosine);
            bins.sines[h].push_back(angle.sine);
        }
    }
    return bins;
}

void decode_bins(const HeadView heads[3], int count, const BinDecode& bins, const DecodeKernels& kernels,
                 const PoseArrays& out) {
    float scratch[kMaxBins];
    for (int i = 0; i < count; ++i) {
        float angle[3], sigma[3];
        for (int h = 0; h < 3; ++h) {
            const bool circular = bins.grid[h].circular;
            const Moments m = kernels.softmax_moments(heads[h].data + i * heads[h].row_stride, bins.grid[h].count,
                                                      circular ? bins.cosines[h].data() : nullptr,
                                                      circular ? bins.sines[h].data() : nullptr, scratch);
            angle[h] = expected_angle(bins.grid[h], m);
            sigma[h] = angle_deviation(bins.grid[h], m);
        }
        const Angles heads_say{angle[0], angle[1], angle[2]};
        write_pose(bins.zxy ? angles_from_zxy(heads_say) : heads_say, sigma, out, i);
    }
}

void decode_angles(const HeadView heads[3], int count, const float factor[3], const PoseArrays& out) {
    for (int i = 0; i < count; ++i) {
        float angle[3];
        for (int h = 0; h < 3; ++h) angle[h] = factor[h] * heads[h].data[i * heads[h].row_stride];
        write_pose({angle[0], angle[1], angle[2]}, nullptr, out, i);
    }
}

void decode_rot6d(const HeadView& head, int count, const float signs[3], const PoseArrays& out) {
    for (int i = 0; i < count; ++i) {
        float m[9];
        matrix_from_6d(head.data + i * head.row_stride, m);
        write_pose(angles_from_label_matrix(m, signs), nullptr, out, i);
    }
}

void decode_matrix(const HeadView& head, int count, const float signs[3], const PoseArrays& out) {
    for (int i = 0; i < count; ++i)
        write_pose(angles_from_label_matrix(head.data + i * head.row_stride, signs), nullptr, out, i);
}

void decode_quaternion(const HeadView& head, int count, const float signs[3], const PoseArrays& out) {
    for (int i = 0; i < count; ++i) {
        float m[9];
        matrix_from_quaternion(head.data + i * head.row_stride, m);
        write_pose(angles_from_label_matrix(m, signs), nullptr, out, i);
    }
}

}  // namespace hpe

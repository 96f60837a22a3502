// decode: what the network's heads say -> angles, their standard deviations and the rotation.
//
// Angles are degrees in the labels' convention of 300W-LP (yaw > 0: the face turns to the left of the image; pitch > 0:
// it looks up; roll > 0: it tilts clockwise in the image). The rotation takes the head to OpenCV's camera frame: R =
// Rx(-pitch) Ry(yaw) Rz(roll).
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "common/angle.h"
#include "common/hd.h"
#include "common/log.h"
#include "common/sine.h"
#include "cpu/kernels.h"

namespace hpe {

constexpr float kDegreesPerRadian = 57.29577951308232f;
constexpr int kMaxBins = 4096;

// kBinsZxy: the three heads are those of R = Rz(roll) Rx(-pitch) Ry(yaw); see angles_from_zxy.
enum class DecodeKind : int { kBins = 0, kAngles = 1, kRot6d = 2, kMatrix = 3, kQuaternion = 4, kBinsZxy = 5 };

HPE_HD bool has_bins(DecodeKind kind) {
    return kind == DecodeKind::kBins || kind == DecodeKind::kBinsZxy;
}

// One array of head outputs, float32 [N, columns]; rows may be further apart than they are wide.
struct HeadView {
    const float* data;
    ptrdiff_t row_stride;  // in floats
};

// Bins k = 0 .. count - 1 stand for first_deg + k * step_deg. A circular head spans the full circle and is decoded by
// the circular mean, which also knows a head seen from behind. `sigma_factor` calibrates the standard deviation, whose
// size networks get wrong; see SigmaCalibration in hpe_edge/spec.py.
struct BinGrid {
    float first_deg;
    float step_deg;
    int count;
    bool circular;
    float sigma_factor = 1.0f;
};

HPE_HD float expected_angle(const BinGrid& grid, const Moments& m) {
    if (grid.circular) return angle_deg(m.sine, m.cosine);
    return grid.first_deg + m.mean * grid.step_deg;
}

// Circular heads: sqrt(-2 ln r), the circular standard deviation; it equals the linear one while the spread is small.
HPE_HD float angle_deviation(const BinGrid& grid, const Moments& m) {
    if (!grid.circular) return sqrtf(greater(m.variance, 0.0f)) * (fabsf(grid.step_deg) * grid.sigma_factor);
    const float r = lesser(sqrtf(m.cosine * m.cosine + m.sine * m.sine), 1.0f);
    return sqrtf(-2.0f * natural_log(r)) * (kDegreesPerRadian * grid.sigma_factor);
}

// Row-major. The one place in C++ that fixes the order and the signs.
HPE_HD void rotation_from_angles(float yaw_deg, float pitch_deg, float roll_deg, float* r) {
    const auto [sy, cy] = sine_cosine(yaw_deg);
    const auto [sp, cp] = sine_cosine(pitch_deg);
    const auto [sz, cz] = sine_cosine(roll_deg);
    r[0] = cy * cz;
    r[1] = -cy * sz;
    r[2] = sy;
    r[3] = cp * sz - sp * sy * cz;
    r[4] = cp * cz + sp * sy * sz;
    r[5] = sp * cy;
    r[6] = -sp * sz - cp * sy * cz;
    r[7] = -sp * cz + cp * sy * sz;
    r[8] = cp * cy;
}

struct Angles {
    float yaw, pitch, roll;
};

// The label triple of the network's matrix, which is not R but Rz(roll) Ry(yaw) Rx(pitch), the convention of 6DRepNet,
// of the triple times `signs` (yaw, pitch, roll; 1 or -1). `m` row-major.
HPE_HD Angles angles_from_label_matrix(const float* m, const float* signs) {
    const float cy = sqrtf(m[0] * m[0] + m[3] * m[3]);
    const float yaw = angle_deg(-m[6], cy);
    // At yaw = +-90 degrees only pitch and roll together are known; the family's convention puts all in pitch.
    const bool locked = cy < 1e-6f;
    const float pitch = locked ? angle_deg(-m[5], m[4]) : angle_deg(m[7], m[8]);
    const float roll = locked ? 0.0f : angle_deg(m[3], m[0]);
    // The triple needs only some of the nine, but a NaN in any of them is a network that failed. 0 * x is 0 or NaN.
    float poison = 0.0f;
    for (int i = 0; i < 9; ++i) poison += 0.0f * m[i];
    return {poison + signs[0] * yaw, signs[1] * pitch, signs[2] * roll};
}

// The label triple of R = Rz(roll) Rx(-pitch) Ry(yaw): other angles of the same three axes, which stay unique in
// profile (they are not where the face looks straight up or down). Of the two equivalent triples it is the one with
// |pitch| up to 90 degrees, so a head seen from behind keeps its yaw beyond 90. Roll comes from Rx(pitch) R = Ry(yaw)
// Rz(roll), so that it makes up for an ill-conditioned pitch.
HPE_HD Angles angles_from_zxy(const Angles& a) {
    const auto [sy, cy] = sine_cosine(a.yaw);
    const auto [sp, cp] = sine_cosine(a.pitch);
    const auto [sz, cz] = sine_cosine(a.roll);
    const float r00 = cz * cy + sz * sp * sy, r01 = -sz * cp, r02 = cz * sy - sz * sp * cy;
    const float r10 = sz * cy - cz * sp * sy, r11 = cz * cp, r12 = sz * sy + cz * sp * cy;
    const float r20 = -cp * sy, r21 = -sp, r22 = cp * cy;
    const float side = r22 < 0.0f ? -1.0f : 1.0f;
    const float pitch = angle_deg(side * r12, side * r22);
    const auto [s, c] = sine_cosine(pitch);
    return {angle_deg(r02, side * sqrtf(r00 * r00 + r01 * r01)), pitch,
            angle_deg(c * r10 - s * r20, c * r11 - s * r21)};
}

// The largest magnitude of three numbers.
HPE_HD float largest_of(const float* v) {
    return greater(greater(fabsf(v[0]), fabsf(v[1])), fabsf(v[2]));
}

// Gram-Schmidt as 6DRepNet has it: x = a / |a|, z = x cross b normalised, y = z cross x; the columns of `m` are x, y,
// z. Source: Zhou et al., 2019, arXiv:1812.07035; order of the cross products from Hempel et al., 2022,
// arXiv:2202.12555. Both vectors are divided by their largest component first, so that no square overflows or vanishes.
// Where they have no direction or the same one the result is NaN, not the made-up rotation that the original's floor
// under |a| and |x cross b| leads to.
HPE_HD void matrix_from_6d(const float* v, float* m) {
    const float la = largest_of(v), lb = largest_of(v + 3);
    const float a[3] = {v[0] / la, v[1] / la, v[2] / la}, b[3] = {v[3] / lb, v[4] / lb, v[5] / lb};
    const float na = sqrtf(a[0] * a[0] + a[1] * a[1] + a[2] * a[2]);
    const float x[3] = {a[0] / na, a[1] / na, a[2] / na};
    const float c[3] = {x[1] * b[2] - x[2] * b[1], x[2] * b[0] - x[0] * b[2], x[0] * b[1] - x[1] * b[0]};
    const float length = sqrtf(c[0] * c[0] + c[1] * c[1] + c[2] * c[2]);
    const float nc = length > 1e-6f ? length : NAN;  // of parallel vectors rounding leaves 1e-7
    const float z[3] = {c[0] / nc, c[1] / nc, c[2] / nc};
    const float y[3] = {z[1] * x[2] - z[2] * x[1], z[2] * x[0] - z[0] * x[2], z[0] * x[1] - z[1] * x[0]};
    for (int i = 0; i < 3; ++i) {
        m[3 * i] = x[i];
        m[3 * i + 1] = y[i];
        m[3 * i + 2] = z[i];
    }
}

// `q` is w x y z of any length. It is divided by its largest component first, so that no square overflows or vanishes;
// four zeros are 0 / 0, a matrix of NaN.
HPE_HD void matrix_from_quaternion(const float* q, float* m) {
    const float largest = greater(fabsf(q[0]), largest_of(q + 1));
    const float w = q[0] / largest, x = q[1] / largest, y = q[2] / largest, z = q[3] / largest;
    const float s = 2.0f / (w * w + x * x + y * y + z * z);
    m[0] = 1.0f - s * (y * y + z * z);
    m[1] = s * (x * y - w * z);
    m[2] = s * (x * z + w * y);
    m[3] = s * (x * y + w * z);
    m[4] = 1.0f - s * (x * x + z * z);
    m[5] = s * (y * z - w * x);
    m[6] = s * (x * z - w * y);
    m[7] = s * (y * z + w * x);
    m[8] = 1.0f - s * (x * x + y * y);
}

// Outputs for N faces: angles [N, 3] and sigma [N, 3] in degrees, both yaw, pitch, roll; rotation [N, 3, 3].
struct PoseArrays {
    float* angles;
    float* sigma;
    float* rotation;
};

// Writes one face; an angle that is not finite makes the whole face NaN. `sigma` null: the head has no distribution.
HPE_HD void write_pose(const Angles& a, const float* sigma, const PoseArrays& out, int face) {
    float* angles = out.angles + 3 * face;
    float* deviation = out.sigma + 3 * face;
    float* rotation = out.rotation + 9 * face;
    const float nan = NAN;
    // Written so that NaN fails the comparison too.
    const bool bad = !(fabsf(a.yaw + a.pitch + a.roll) <= 3.402823466e38f);
    angles[0] = bad ? nan : a.yaw;
    angles[1] = bad ? nan : a.pitch;
    angles[2] = bad ? nan : a.roll;
    for (int i = 0; i < 3; ++i) deviation[i] = bad || !sigma ? nan : sigma[i];
    rotation_from_angles(angles[0], angles[1], angles[2], rotation);
    // Of a NaN that is computed, processors choose the sign.
    for (int i = 0; bad && i < 9; ++i) rotation[i] = nan;
}

// Decodes bins: heads [3] in the order yaw, pitch, roll, each with its grid. `cosines`, `sines`: per head the tables of
// a circular grid, else empty.
struct BinDecode {
    BinGrid grid[3];
    std::vector<float> cosines[3];
    std::vector<float> sines[3];
    bool zxy = false;
};
BinDecode make_bin_decode(const BinGrid grids[3], bool zxy);
void decode_bins(const HeadView heads[3], int count, const BinDecode& bins, const DecodeKernels& kernels,
                 const PoseArrays& out);

// The network's angles times a factor per head (its sign and unit), in degrees.
void decode_angles(const HeadView heads[3], int count, const float factor[3], const PoseArrays& out);

// 6D vectors [N, 6], row-major matrices [N, 9] or quaternions [N, 4]; for `signs` see angles_from_label_matrix. A
// matrix need not be exactly orthonormal, nor a quaternion of length 1.
void decode_rot6d(const HeadView& head, int count, const float signs[3], const PoseArrays& out);
void decode_matrix(const HeadView& head, int count, const float signs[3], const PoseArrays& out);
void decode_quaternion(const HeadView& head, int count, const float signs[3], const PoseArrays& out);

}  // namespace hpe

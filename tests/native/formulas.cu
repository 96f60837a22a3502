// Calls every shared formula from device code. It is compiled, not run.
#include "common/exp.h"
#include "common/half.h"
#include "crop/cell.h"
#include "crop/staged_kernel.h"
#include "crop/stretch.h"
#include "crop/turned_crop.h"
#include "crop/warp_kernel.h"
#include "decode/decode.h"

namespace {

using namespace hpe;

template <PixelFormat kFormat>
__global__ void all_formulas(Frame frame, CropPlace place, WarpPlace view, BinGrid grid, Moments moments,
                             const float* signs, float* out, Half* half, uint8_t* byte, PoseArrays poses) {
    const Taps taps = find_taps(column_triangle(place, static_cast<int>(threadIdx.x)), frame.width);
    float sum = taps.norm;
    for (int p = taps.first; p <= taps.last; ++p) sum += pixel_at<kFormat>(frame, p, 0).g;
    const Bgr warped = warp_pixel<kFormat>(frame, view, 1, 2, {0, 0, 0});
    const Bgr turned = mean_cell<kFormat>(frame, place.across, place.down, 3, 4, 0.5f, 0.5f, {0, 0, 0});
    store_value(sum + warped.r + turned.b, out);
    store_value(sum, half);
    store_value(exp_nonpositive(sum), byte);
    float m[9];
    matrix_from_6d(out, m);
    Angles angles = angles_from_label_matrix(m, signs);
    matrix_from_quaternion(out, m);
    angles.roll += angles_from_label_matrix(m, signs).roll;
    angles.yaw += expected_angle(grid, moments) + angle_deviation(grid, moments);
    write_pose(angles, nullptr, poses, 0);
}

template __global__ void all_formulas<PixelFormat::kColor>(Frame, CropPlace, WarpPlace, BinGrid, Moments, const float*,
                                                           float*, Half*, uint8_t*, PoseArrays);
template __global__ void all_formulas<PixelFormat::kColor4>(Frame, CropPlace, WarpPlace, BinGrid, Moments, const float*,
                                                            float*, Half*, uint8_t*, PoseArrays);
template __global__ void all_formulas<PixelFormat::kNv12>(Frame, CropPlace, WarpPlace, BinGrid, Moments, const float*,
                                                          float*, Half*, uint8_t*, PoseArrays);

}  // namespace

// Calls every shared formula from device code. It is compiled, not run.
#include "common/exp.h"
#include "common/half.h"
#include "crop/turned_crop.h"
#include "crop/warp_normalize.h"
#include "decode/decode.h"

namespace {

using namespace hpe;

template <PixelFormat kFormat>
__global__ void all_formulas(Frame frame, Box box, CropRule crop, Homography homography, BinGrid grid, Moments moments,
                             const float* signs, float* out, Half* half, uint8_t* byte, PoseArrays poses) {
    const Window w = crop_window(box, crop, frame.width, frame.height);
    const Axis axis = make_axis(w.x, w.cut_x, 112, crop.antialias);
    const double center = sample_center(axis, static_cast<int>(threadIdx.x));
    const TapRange taps = taps_of(axis, center);
    float sum = static_cast<float>(most_taps(axis));
    for (int p = taps.first; p <= taps.last; ++p)
        sum += static_cast<float>(tap_weight(axis, center, p)) * pixel_at<kFormat>(frame, p, 0).g;
    const Bgr warped = warp_pixel<kFormat>(frame, homography, 1, 2, warp_steps(homography, 112, true), {0, 0, 0});
    const TurnedWindow window = turned_window(box, {0.8f, 0.6f}, crop, 112);
    const Bgr turned = turned_pixel<kFormat>(frame, window.across, window.down, tile_at(window, 1, 2), 3, 4, {0, 0, 0});
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

template __global__ void all_formulas<PixelFormat::kColor>(Frame, Box, CropRule, Homography, BinGrid, Moments,
                                                           const float*, float*, Half*, uint8_t*, PoseArrays);
template __global__ void all_formulas<PixelFormat::kColor4>(Frame, Box, CropRule, Homography, BinGrid, Moments,
                                                            const float*, float*, Half*, uint8_t*, PoseArrays);
template __global__ void all_formulas<PixelFormat::kNv12>(Frame, Box, CropRule, Homography, BinGrid, Moments,
                                                          const float*, float*, Half*, uint8_t*, PoseArrays);

}  // namespace

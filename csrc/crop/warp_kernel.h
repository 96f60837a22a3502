// The CUDA launch of warp_normalize: each thread owns an output pixel.
#pragma once

#include "crop/crop_kernel.h"
#include "crop/warp_normalize.h"

namespace hpe {

template <typename T>
struct WarpBody {
    static constexpr int kThreads = 256;

    struct Shared {
        int steps;  // of the antialiasing grid; found once, because it takes double precision
    };

    const WarpFace* faces;
    int count;
    CropRule crop;
    InputRule input;
    T* out;

    HPE_HD_METHOD int blocks_per_face() const { return (input.size * input.size + kThreads - 1) / kThreads; }
    HPE_HD_METHOD int blocks() const { return count * blocks_per_face(); }
    HPE_HD_METHOD int phases(const Shared&) const { return 2; }

    HPE_HD_METHOD void phase(int phase, int block, int thread, Shared& s) const {
        const int index = block / blocks_per_face(), pixel = block % blocks_per_face() * kThreads + thread;
        const WarpFace& face = faces[index];
        if (phase == 0) {
            if (thread == 0) s.steps = warp_steps(face.homography, input.size, crop.antialias);
            return;
        }
        if (pixel >= input.size * input.size) return;
        const int row = pixel / input.size, column = pixel % input.size;
        const bool swap_colors = face.frame.swap_colors != 0;
        const Frame frame = frame_of(face.frame);
        const Bgr level = sample(frame, face.homography, column, row, s.steps, fill_of(crop, swap_colors));
        const FaceOutput<T> to{out + static_cast<size_t>(index) * 3 * input.size * input.size, input, swap_colors,
                               false};
        const Bgr levels[kRun] = {level, level, level, level};
        to.store(row, column, levels, 1);
    }

private:
    HPE_HD_METHOD static Bgr sample(const Frame& frame, const Homography& h, int column, int row, int steps,
                                    const Bgr& fill) {
        switch (frame.format) {
            case PixelFormat::kGray8:
                return warp_pixel<PixelFormat::kGray8>(frame, h, column, row, steps, fill);
            case PixelFormat::kNv12:
                return warp_pixel<PixelFormat::kNv12>(frame, h, column, row, steps, fill);
            case PixelFormat::kColor4:
                return warp_pixel<PixelFormat::kColor4>(frame, h, column, row, steps, fill);
            default:
                return warp_pixel<PixelFormat::kColor>(frame, h, column, row, steps, fill);
        }
    }
};

}  // namespace hpe

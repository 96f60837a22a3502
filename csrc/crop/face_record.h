// Memory layout of a launch's face records: written by Python, read by the kernels. Every record holds its frame, so
// that faces of several cameras, of any sizes and formats, share a launch, and a captured launch takes other frames and
// boxes without a new capture.
#pragma once

#include <cstdint>

#include "crop/crop_normalize.h"
#include "crop/homography.h"
#include "crop/turned_crop.h"

namespace hpe {

struct FrameRecord {
    uint64_t data;    // addresses that the device can read
    uint64_t chroma;  // 0 but for NV12
    int64_t row_stride_bytes;
    int64_t chroma_row_stride_bytes;
    int32_t width;
    int32_t height;
    int32_t format;       // a PixelFormat
    int16_t swap_colors;  // 1: the network's channel order is not the frame's
    int16_t yuv;          // a YuvRule, of NV12
};

struct BoxFace {
    FrameRecord frame;
    Box box;
    Turn turn;
};

struct WarpFace {
    FrameRecord frame;
    Homography homography;
};

HPE_HD Frame frame_of(const FrameRecord& r) {
    return {reinterpret_cast<const uint8_t*>(r.data),
            reinterpret_cast<const uint8_t*>(r.chroma),
            static_cast<ptrdiff_t>(r.row_stride_bytes),
            static_cast<ptrdiff_t>(r.chroma_row_stride_bytes),
            r.width,
            r.height,
            static_cast<PixelFormat>(r.format),
            static_cast<YuvRule>(r.yuv)};
}

// The fill colour in the frame's channel order; that of `crop` is in the network's.
HPE_HD Bgr fill_of(const CropRule& crop, bool swap_colors) {
    return swap_colors ? Bgr{crop.fill[2], crop.fill[1], crop.fill[0]} : Bgr{crop.fill[0], crop.fill[1], crop.fill[2]};
}

}  // namespace hpe

// What a launch's record says of a face, worked out on the host in double precision, once per face.
#pragma once

#include "crop/face_record.h"
#include "crop/homography.h"

namespace hpe {

CropPlace place_box(const FrameRecord& frame, const Box& box, const Turn& turn, const CropRule& crop, int size);
WarpPlace place_view(const Homography& homography, int size, bool antialias);

}  // namespace hpe

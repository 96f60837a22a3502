// A 3x3 homography from the output picture to the frame, and the point that it maps to.
#pragma once

#include "common/hd.h"

namespace hpe {

struct Homography {
    double m[9];  // row-major
};

struct Point {
    double x, y;
    bool visible;  // false at and behind the horizon; x and y then mean nothing
};

// Without a branch, so that loops over it can be vectorised.
HPE_HOST Point map_point(const Homography& h, double u, double v) {
    const double w = h.m[6] * u + h.m[7] * v + h.m[8];
    const double inverse = 1.0 / w;
    return {(h.m[0] * u + h.m[1] * v + h.m[2]) * inverse, (h.m[3] * u + h.m[4] * v + h.m[5]) * inverse, w > 0};
}

}  // namespace hpe

// From planes to the padded pixels of a channels-last input.
#pragma once

#include <cstddef>

#include "common/half.h"

namespace hpe {

// `planes` [count, 3, pixels] -> `out` [count, pixels].
inline void interleave(const Half* planes, int count, size_t pixels, HalfPixel* out) {
    for (int face = 0; face < count; ++face, planes += 3 * pixels, out += pixels)
        for (size_t i = 0; i < pixels; ++i) out[i] = {{planes[i], planes[pixels + i], planes[2 * pixels + i]}};
}

}  // namespace hpe

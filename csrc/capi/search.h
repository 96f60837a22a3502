// Search of the turn of doubtful faces; hpe_edge/upright/search.py has the same in Python.
#pragma once

#include <cstdint>

#include "decode/decode.h"

namespace hpe {

// Returns the number of doubtful faces of sigma [count, 3]; `turns_deg` may be null.
int32_t search_turns(const float* turns_deg, int32_t count, const float* sigma_deg, int32_t* doubtful,
                     float* look_turns_deg);

// `taken` may be null.
void take_looks(const int32_t* doubtful, int32_t doubtful_count, const PoseArrays& looks, const PoseArrays& poses,
                int32_t* taken);

}  // namespace hpe

// Upright crops: the turn that each face's crop gets, and its undoing; hpe_edge/upright has the same in Python.
#pragma once

#include <cstdint>

#include "decode/decode.h"

namespace hpe {

// Of key points [count, 5, 2], as hpe_turns_from_keypoints.
void turns_from_keypoints(const float* keypoints, int32_t count, float* turns_deg);

// A crop that is turned by t shows the head in the pose R' = Rz(-t) R, so R = Rz(t) R'.
void undo_turns(const float* turns_deg, int32_t count, const PoseArrays& poses);

// Returns the number of faces to estimate again; `turns_deg` may be null.
int32_t second_pass(const float* turns_deg, int32_t count, const float* rotation, int32_t* again,
                    float* again_turns_deg);

}  // namespace hpe

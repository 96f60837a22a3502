// Upright crops: the turn that each face's crop gets, and its undoing.
#pragma once

#include <cstdint>

#include "decode/decode.h"

namespace hpe {

constexpr float kSecondPassRollDeg = 15.0f;

// In-plane rolls of faces with key points [count, 5, 2]: eyes, nose, corners of the mouth; NaN for unknown ones.
void rolls_from_keypoints(const float* keypoints, int32_t count, float* rolls_deg);

// A crop that is turned by t shows the head in the pose R' = Rz(-t) R, so R = Rz(t) R'. Faces of turn 0 are not
// touched.
void undo_turns(const float* turns_deg, int32_t count, const PoseArrays& poses);

// Of rotations [count, 3, 3] those that still are rolled in their crops, and their rolls; returns the number of these.
// `turns_deg` may be null.
int32_t second_pass(const float* turns_deg, int32_t count, const float* rotation, int32_t* again,
                    float* again_turns_deg);

}  // namespace hpe

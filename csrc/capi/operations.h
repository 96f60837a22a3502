// The operations on checked arguments.
#pragma once

#include "capi/checks.h"

namespace hpe {

// Every box of a frame into `input`; `turns` is empty or [count].
void crop_boxes(const Model& model, const Frame& frame, bool swap_colors, const Box* boxes,
                const std::vector<Turn>& turns, int count, void* input);

void warp(const Model& model, const Frame& frame, bool swap_colors, const Homography* homographies, int count,
          void* input);

// `stretched` [count] receives 1 or 0 for each crop.
void stretch_input(const Model& model, void* input, int count, uint8_t* stretched);

void decode(const Model& model, const HeadView heads[3], int count, const PoseArrays& poses);

}  // namespace hpe

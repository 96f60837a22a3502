// Checks of arguments, once per call; what passes may be trusted. All throw Failure (HPE_INVALID_ARGUMENT).
#pragma once

#include <cstdint>
#include <vector>

#include "capi/errors.h"
#include "capi/spec/model.h"
#include "crop/face_record.h"

namespace hpe {

constexpr int kMostFaces = 1 << 20;

// `name` must not be null, and be aligned to its elements.
void check_address(const void* address, size_t alignment, const char* name);

template <typename T>
void check_pointer(const T* pointer, const char* name) {
    check_address(pointer, alignof(T), name);
}

void check_count(int32_t count);

// `name` has `bytes`, of which `faces` of `face_bytes` each need no more.
void check_room(size_t bytes, int32_t faces, size_t face_bytes, const char* name);

size_t input_face_bytes(const Model& model);
size_t input_alignment(const Model& model);

// Its addresses may be a device's: they are not read.
Frame check_frame(const hpe_frame* frame);

// Whether the network's channel order is not the frame's.
bool swaps_colors(const Model& model, const hpe_frame& frame);

const Box* check_boxes(const float* boxes, int32_t count);
const Homography* check_homographies(const double* homographies, int32_t count);

// [count], or empty without turns.
std::vector<Turn> check_turns(const float* turns_deg, int32_t count);

PoseArrays check_poses(const hpe_poses* poses);

// Views of the heads [3]; of a rotation only the first is set.
void check_outputs(const Model& model, const hpe_output* outputs, int32_t output_count, HeadView heads[3]);

}  // namespace hpe

// Crop and decode of checked arguments on this processor: what the extension and the C interface share.
#pragma once

#include <cstddef>

#include "cpu/isa.h"
#include "crop/crop_normalize.h"
#include "crop/turned_crop.h"
#include "cuda/kernel_launch.h"
#include "decode/decode.h"

namespace hpe {

// Every box of a frame into `out` [count, 3, size, size]; `turns` is null or [count].
template <typename T>
void crop_faces(const Frame& frame, const Box* boxes, const Turn* turns, int count, const CropRule& crop,
                const InputRule& input, const Isa& isa, T* out) {
    if (!turns) return crop_normalize(frame, boxes, count, crop, input, *isa.rows, out);
    const size_t face = static_cast<size_t>(3) * input.size * input.size;
    for (int i = 0; i < count; ++i, out += face) {
        if (is_turned(turns[i]))
            turned_crop(frame, boxes[i], turns[i], crop, input, *isa.turned, out);
        else
            crop_normalize(frame, boxes + i, 1, crop, input, *isa.rows, out);
    }
}

// `bins` belongs to the plan where it has bins.
inline void decode_heads(const DecodePlan& plan, const BinDecode& bins, const HeadView heads[3], int count,
                         const Isa& isa, const PoseArrays& out) {
    switch (plan.kind) {
        case DecodeKind::kBins:
        case DecodeKind::kBinsZxy:
            return decode_bins(heads, count, bins, *isa.decode, out);
        case DecodeKind::kAngles:
            return decode_angles(heads, count, plan.factors, out);
        case DecodeKind::kRot6d:
            return decode_rot6d(heads[0], count, plan.factors, out);
        case DecodeKind::kMatrix:
            return decode_matrix(heads[0], count, plan.factors, out);
        case DecodeKind::kQuaternion:
            return decode_quaternion(heads[0], count, plan.factors, out);
    }
}

}  // namespace hpe

#include "capi/operations.h"

#include <type_traits>

#include "crop/warp_normalize.h"

namespace hpe {
namespace {

InputRule input_rule(const Model& model, bool swap_colors) {
    InputRule rule = model.plan.input;
    rule.swap_colors = swap_colors;
    return rule;
}

// A spec's input is in planes; channels last is for launches alone.
template <typename Typed>
void with_planes(OutputType type, void* input, const Typed& typed) {
    with_output_type(type, input, [&](auto* to) {
        if constexpr (!std::is_same_v<decltype(to), HalfPixel*>) typed(to);
    });
}

}  // namespace

void crop_boxes(const Model& model, const Frame& frame, bool swap_colors, const Box* boxes,
                const std::vector<Turn>& turns, int count, void* input) {
    const InputRule rule = input_rule(model, swap_colors);
    with_planes(model.plan.output, input, [&](auto* to) {
        if (turns.empty()) return crop_normalize(frame, boxes, count, model.plan.crop, rule, *model.isa.rows, to);
        const size_t face = static_cast<size_t>(3) * rule.size * rule.size;
        for (int i = 0; i < count; ++i, to += face) {
            if (is_turned(turns[i]))
                turned_crop(frame, boxes[i], turns[i], model.plan.crop, rule, *model.isa.turned, to);
            else
                crop_normalize(frame, boxes + i, 1, model.plan.crop, rule, *model.isa.rows, to);
        }
    });
}

void warp(const Model& model, const Frame& frame, bool swap_colors, const Homography* homographies, int count,
          void* input) {
    with_planes(model.plan.output, input, [&](auto* to) {
        warp_normalize(frame, homographies, count, model.plan.crop, input_rule(model, swap_colors), *model.isa.rows,
                       to);
    });
}

void decode(const Model& model, const HeadView heads[3], int count, const PoseArrays& poses) {
    switch (model.decode.kind) {
        case DecodeKind::kBins:
        case DecodeKind::kBinsZxy:
            return decode_bins(heads, count, model.bins, *model.isa.decode, poses);
        case DecodeKind::kAngles:
            return decode_angles(heads, count, model.decode.factors, poses);
        case DecodeKind::kRot6d:
            return decode_rot6d(heads[0], count, model.decode.factors, poses);
        case DecodeKind::kMatrix:
            return decode_matrix(heads[0], count, model.decode.factors, poses);
        case DecodeKind::kQuaternion:
            return decode_quaternion(heads[0], count, model.decode.factors, poses);
    }
}

}  // namespace hpe

#include "capi/operations.h"

#include <type_traits>

#include "cpu/run_plans.h"
#include "crop/stretch.h"
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
    const Turn* const turned = turns.empty() ? nullptr : turns.data();
    with_planes(model.plan.output, input, [&](auto* to) {
        crop_faces(frame, boxes, turned, count, model.plan.crop, input_rule(model, swap_colors), model.isa, to);
    });
}

void warp(const Model& model, const Frame& frame, bool swap_colors, const Homography* homographies, int count,
          void* input) {
    with_planes(model.plan.output, input, [&](auto* to) {
        warp_normalize(frame, homographies, count, model.plan.crop, input_rule(model, swap_colors), *model.isa.rows,
                       to);
    });
}

void stretch_input(const Model& model, void* input, int count, uint8_t* stretched) {
    const StretchRule rule = stretch_rule(model.plan.crop, model.plan.input);
    with_planes(model.plan.output, input, [&](auto* crops) { stretch_crops(rule, crops, count, stretched); });
}

void decode(const Model& model, const HeadView heads[3], int count, const PoseArrays& poses) {
    decode_heads(model.decode, model.bins, heads, count, model.isa, poses);
}

}  // namespace hpe

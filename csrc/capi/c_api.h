// Shared by the two files that implement hpe_edge.h.
#pragma once

#include "capi/estimate.h"

struct hpe_spec {
    hpe::Model model;
};

struct hpe_model {
    hpe_spec spec;
    std::unique_ptr<hpe::Workplaces> places;
};

namespace hpe {

inline const Model& check_spec(const hpe_spec* spec) {
    check_pointer(spec, "spec");
    return spec->model;
}

// `input` must hold `count` faces.
inline void check_input(const Model& model, const void* input, size_t input_bytes, int32_t count) {
    check_room(input_bytes, count, input_face_bytes(model), "input");
    check_address(input, input_alignment(model), "input");
}

}  // namespace hpe

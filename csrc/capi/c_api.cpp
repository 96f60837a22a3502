// hpe_edge.h on the CPU.
#include "capi/c_api.h"

#include <cmath>
#include <memory>
#include <utility>

#include "capi/search.h"
#include "decode/turns.h"

using namespace hpe;

namespace {

void check_finite_turns(const float* turns_deg, int32_t count) {
    for (int32_t i = 0; i < count; ++i)
        if (!std::isfinite(turns_deg[i]))
            fail(HPE_INVALID_ARGUMENT, "turn %d must be finite, got %g; 0 is no turn", i,
                 static_cast<double>(turns_deg[i]));
}

void check_keypoints(const float* keypoints, int32_t count) {
    check_pointer(keypoints, "keypoints");
    for (int32_t i = 0; i < 10 * count; ++i)
        if (std::isinf(keypoints[i]))
            fail(HPE_INVALID_ARGUMENT, "key points of face %d are infinite; NaN stands for unknown ones", i / 10);
}

void turns_from_keypoints(const float* keypoints, int32_t count, float* turns_deg) {
    rolls_from_keypoints(keypoints, count, turns_deg);
    for (int32_t i = 0; i < count; ++i)
        if (!std::isfinite(turns_deg[i])) turns_deg[i] = 0.0f;
}

}  // namespace

const char* hpe_version(void) {
    return HPE_EDGE_VERSION;
}

int32_t hpe_abi_version(void) {
    return HPE_EDGE_ABI_VERSION;
}

const char* hpe_last_error(void) {
    return last_error();
}

hpe_status hpe_spec_read(const char* json, size_t length, hpe_spec** spec) {
    return guarded([&] {
        check_pointer(json, "json");
        check_pointer(spec, "spec");
        *spec = new hpe_spec{read_model(json, length)};
    });
}

hpe_status hpe_spec_with_margins(const hpe_spec* spec, const double margins[4], hpe_spec** copy) {
    return guarded([&] {
        const Model& model = check_spec(spec);
        check_pointer(margins, "margins");
        check_pointer(copy, "copy");
        check_margins(margins, HPE_INVALID_ARGUMENT);
        auto made = std::make_unique<hpe_spec>(hpe_spec{model});
        for (int i = 0; i < 4; ++i) made->model.plan.crop.margin[i] = margins[i];
        *copy = made.release();
    });
}

void hpe_spec_free(hpe_spec* spec) {
    delete spec;
}

hpe_status hpe_spec_describe(const hpe_spec* spec, hpe_spec_info* info, size_t info_bytes) {
    return guarded([&] {
        const Model& model = check_spec(spec);
        check_pointer(info, "info");
        if (info_bytes != sizeof(hpe_spec_info))
            fail(HPE_INVALID_ARGUMENT,
                 "info_bytes must be sizeof(hpe_spec_info), %zu in this library, got %zu: compile "
                 "with this library's header",
                 sizeof(hpe_spec_info), info_bytes);
        static const hpe_type types[] = {HPE_FLOAT32, HPE_FLOAT16, HPE_UINT8};
        hpe_spec_info found{};
        found.architecture = model.architecture.c_str();
        found.input_name = model.input_name.c_str();
        found.input_size = model.plan.input.size;
        found.input_type = types[static_cast<int>(model.plan.output)];
        found.output_count = static_cast<int32_t>(model.outputs.size());
        found.upright = model.upright;
        for (int i = 0; i < 4; ++i) found.margins[i] = model.plan.crop.margin[i];
        found.sigma_limit_deg = model.sigma_limit_deg;
        *info = found;
    });
}

hpe_status hpe_spec_output(const hpe_spec* spec, int32_t index, const char** name, int32_t* columns) {
    return guarded([&] {
        const Model& model = check_spec(spec);
        if (index < 0 || index >= static_cast<int32_t>(model.outputs.size()))
            fail(HPE_INVALID_ARGUMENT, "index must be that of one of %zu outputs, got %d", model.outputs.size(), index);
        if (name) *name = model.outputs[index].c_str();
        if (columns) *columns = model.columns[index];
    });
}

hpe_status hpe_crop_normalize(const hpe_spec* spec, const hpe_frame* frame, const float* boxes, const float* turns_deg,
                              int32_t count, void* input, size_t input_bytes) {
    return guarded([&] {
        const Model& model = check_spec(spec);
        check_count(count);
        const Frame view = check_frame(frame);
        if (count == 0) return;
        const Box* checked = check_boxes(boxes, count);
        const std::vector<Turn> turns = check_turns(turns_deg, count);
        check_input(model, input, input_bytes, count);
        crop_boxes(model, view, swaps_colors(model, *frame), checked, turns, count, input);
    });
}

hpe_status hpe_warp_normalize(const hpe_spec* spec, const hpe_frame* frame, const double* homographies, int32_t count,
                              void* input, size_t input_bytes) {
    return guarded([&] {
        const Model& model = check_spec(spec);
        check_count(count);
        const Frame view = check_frame(frame);
        if (count == 0) return;
        const Homography* checked = check_homographies(homographies, count);
        check_input(model, input, input_bytes, count);
        warp(model, view, swaps_colors(model, *frame), checked, count, input);
    });
}

hpe_status hpe_stretch(const hpe_spec* spec, void* input, size_t input_bytes, int32_t count, uint8_t* stretched) {
    return guarded([&] {
        const Model& model = check_spec(spec);
        check_count(count);
        if (count == 0) return;
        check_input(model, input, input_bytes, count);
        std::vector<uint8_t> marks(stretched ? 0 : count);
        stretch_input(model, input, count, stretched ? stretched : marks.data());
    });
}

hpe_status hpe_decode(const hpe_spec* spec, const hpe_output* outputs, int32_t output_count, int32_t count,
                      const hpe_poses* poses) {
    return guarded([&] {
        const Model& model = check_spec(spec);
        check_count(count);
        if (count == 0) return;
        HeadView heads[3]{};
        check_outputs(model, outputs, output_count, heads);
        decode(model, heads, count, check_poses(poses));
    });
}

hpe_status hpe_model_read(const void* data, size_t length, hpe_model** model) {
    return guarded([&] {
        check_address(data, 1, "data");
        check_pointer(model, "model");
        auto made = std::make_unique<hpe_model>();
        auto network = read_native(data, length, made->spec.model);
        made->places = std::make_unique<Workplaces>(std::move(network), input_face_bytes(made->spec.model));
        *model = made.release();
    });
}

const hpe_spec* hpe_model_spec(const hpe_model* model) {
    return model ? &model->spec : nullptr;
}

void hpe_model_free(hpe_model* model) {
    delete model;
}

hpe_status hpe_estimate(const hpe_model* model, const hpe_frame* frame, const float* boxes, const float* keypoints,
                        int32_t count, const hpe_poses* poses) {
    return guarded([&] {
        check_pointer(model, "model");
        check_count(count);
        const Frame view = check_frame(frame);
        if (count == 0) return;
        const Model& spec = model->spec.model;
        const Box* checked = check_boxes(boxes, count);
        std::vector<float> turns_deg(static_cast<size_t>(count));
        if (keypoints) {
            check_keypoints(keypoints, count);
            if (spec.upright != HPE_UPRIGHT_NONE) turns_from_keypoints(keypoints, count, turns_deg.data());
        }
        estimate(spec, *model->places, view, swaps_colors(spec, *frame), checked, turns_deg, check_poses(poses));
    });
}

hpe_status hpe_turns_from_keypoints(const float* keypoints, int32_t count, float* turns_deg) {
    return guarded([&] {
        check_count(count);
        if (count == 0) return;
        check_keypoints(keypoints, count);
        check_pointer(turns_deg, "turns_deg");
        turns_from_keypoints(keypoints, count, turns_deg);
    });
}

hpe_status hpe_undo_turns(const float* turns_deg, int32_t count, const hpe_poses* poses) {
    return guarded([&] {
        check_count(count);
        if (count == 0) return;
        check_pointer(turns_deg, "turns_deg");
        check_finite_turns(turns_deg, count);
        undo_turns(turns_deg, count, check_poses(poses));
    });
}

hpe_status hpe_second_pass(const float* turns_deg, int32_t count, const hpe_poses* poses, int32_t* again,
                           float* again_turns_deg, int32_t* again_count) {
    return guarded([&] {
        check_count(count);
        check_pointer(again_count, "again_count");
        if (count == 0) {
            *again_count = 0;
            return;
        }
        check_pointer(poses, "poses");
        check_pointer(poses->rotation, "poses.rotation");
        check_pointer(again, "again");
        check_pointer(again_turns_deg, "again_turns_deg");
        if (turns_deg) {
            check_pointer(turns_deg, "turns_deg");
            check_finite_turns(turns_deg, count);
        }
        *again_count = second_pass(turns_deg, count, poses->rotation, again, again_turns_deg);
    });
}

hpe_status hpe_search_turns(const hpe_spec* spec, const float* turns_deg, int32_t count, const hpe_poses* poses,
                            int32_t* doubtful, float* look_turns_deg, int32_t* doubtful_count) {
    return guarded([&] {
        const Model& model = check_spec(spec);
        check_count(count);
        check_pointer(doubtful_count, "doubtful_count");
        if (count == 0 || model.upright != HPE_UPRIGHT_SECOND_PASS || !model.sigma_is_calibrated) {
            *doubtful_count = 0;
            return;
        }
        check_pointer(poses, "poses");
        check_pointer(poses->sigma_deg, "poses.sigma_deg");
        check_pointer(doubtful, "doubtful");
        check_pointer(look_turns_deg, "look_turns_deg");
        if (turns_deg) {
            check_pointer(turns_deg, "turns_deg");
            check_finite_turns(turns_deg, count);
        }
        *doubtful_count = search_turns(turns_deg, count, poses->sigma_deg, doubtful, look_turns_deg);
    });
}

hpe_status hpe_take_looks(const int32_t* doubtful, int32_t doubtful_count, const hpe_poses* looks, int32_t count,
                          const hpe_poses* poses, int32_t* taken) {
    return guarded([&] {
        check_count(count);
        check_count(doubtful_count);
        if (doubtful_count == 0) return;
        check_pointer(doubtful, "doubtful");
        for (int32_t k = 0; k < doubtful_count; ++k)
            if (doubtful[k] < 0 || doubtful[k] >= count)
                fail(HPE_INVALID_ARGUMENT, "doubtful face %d must be one of %d faces, got %d", k, count, doubtful[k]);
        if (taken) check_pointer(taken, "taken");
        take_looks(doubtful, doubtful_count, check_poses(looks), check_poses(poses), taken);
    });
}

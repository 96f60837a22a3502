// Poses of the faces of a picture: libhpe_edge before and after the network, with the second pass for rolled faces and
// the search of doubtful ones.
#pragma once

#include <hpe_edge.h>

#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "network.h"

struct Poses {
    explicit Poses(size_t count) : angles_deg(3 * count), sigma_deg(3 * count), rotation(9 * count) {}
    hpe_poses view() { return {angles_deg.data(), sigma_deg.data(), rotation.data()}; }

    std::vector<float> angles_deg, sigma_deg, rotation;
};

class HeadPose {
public:
    explicit HeadPose(const std::string& path) : network_(path), spec_(read_spec(network_), hpe_spec_free) {
        check(hpe_spec_describe(spec_.get(), &info_, sizeof info_));
        if (info_.input_type != HPE_FLOAT32) throw std::runtime_error("this program is for float32 inputs");
        for (int32_t i = 0; i < info_.output_count; ++i) {
            const char* name = nullptr;
            check(hpe_spec_output(spec_.get(), i, &name, nullptr));
            output_names_.push_back(name);
        }
    }

    // boxes: [N, 4]; turns_deg: [N], of the crops, 0 where the roll of a face is unknown.
    Poses operator()(const hpe_frame& frame, const std::vector<float>& boxes,
                     const std::vector<float>& turns_deg) const {
        Poses poses = passes(frame, boxes, turns_deg);
        std::vector<int32_t> doubtful(turns_deg.size());
        std::vector<float> look_turns(HPE_SEARCH_LOOKS * turns_deg.size());
        int32_t count = 0;
        const hpe_poses view = poses.view();
        const int32_t faces = static_cast<int32_t>(turns_deg.size());
        check(
            hpe_search_turns(spec_.get(), turns_deg.data(), faces, &view, doubtful.data(), look_turns.data(), &count));
        if (count == 0) return poses;
        look_turns.resize(HPE_SEARCH_LOOKS * static_cast<size_t>(count));
        std::vector<float> some;
        for (size_t i = 0; i < look_turns.size(); ++i) append_box(boxes, doubtful[i / HPE_SEARCH_LOOKS], some);
        Poses looks = passes(frame, some, look_turns);
        const hpe_poses seen = looks.view();
        check(hpe_take_looks(doubtful.data(), count, &seen, faces, &view, nullptr));
        return poses;
    }

private:
    static void check(hpe_status status) {
        if (status != HPE_OK) throw std::runtime_error(hpe_last_error());
    }

    static hpe_spec* read_spec(const Network& network) {
        const std::string json = network.metadata(HPE_SPEC_METADATA_KEY);
        if (json.empty()) throw std::runtime_error("the model has no spec; export it with hpe-edge export onnx");
        hpe_spec* spec = nullptr;
        check(hpe_spec_read(json.data(), json.size(), &spec));
        return spec;
    }

    static void append_box(const std::vector<float>& boxes, int32_t face, std::vector<float>& to) {
        to.insert(to.end(), boxes.begin() + 4 * face, boxes.begin() + 4 * face + 4);
    }

    static void copy_row(const std::vector<float>& from, int row, std::vector<float>& to, int to_row, int width) {
        std::memcpy(to.data() + to_row * width, from.data() + row * width, width * sizeof(float));
    }

    // Estimates faces, and those once more that are rolled.
    Poses passes(const hpe_frame& frame, const std::vector<float>& boxes, const std::vector<float>& turns_deg) const {
        Poses poses = estimate(frame, boxes, turns_deg);
        if (info_.upright != HPE_UPRIGHT_SECOND_PASS) return poses;
        std::vector<int32_t> again(turns_deg.size());
        std::vector<float> again_turns(turns_deg.size());
        int32_t count = 0;
        const hpe_poses view = poses.view();
        check(hpe_second_pass(turns_deg.data(), static_cast<int32_t>(turns_deg.size()), &view, again.data(),
                              again_turns.data(), &count));
        if (count == 0) return poses;
        again_turns.resize(count);
        std::vector<float> some;
        for (int32_t i = 0; i < count; ++i) append_box(boxes, again[i], some);
        const Poses second = estimate(frame, some, again_turns);
        for (int32_t i = 0; i < count; ++i) {
            copy_row(second.angles_deg, i, poses.angles_deg, again[i], 3);
            copy_row(second.sigma_deg, i, poses.sigma_deg, again[i], 3);
            copy_row(second.rotation, i, poses.rotation, again[i], 9);
        }
        return poses;
    }

    Poses estimate(const hpe_frame& frame, const std::vector<float>& boxes, const std::vector<float>& turns_deg) const {
        const int32_t count = static_cast<int32_t>(turns_deg.size());
        std::vector<float> input(size_t{3} * info_.input_size * info_.input_size * count);
        check(hpe_crop_normalize(spec_.get(), &frame, boxes.data(), turns_deg.data(), count, input.data(),
                                 input.size() * sizeof(float)));
        check(hpe_stretch(spec_.get(), input.data(), input.size() * sizeof(float), count, nullptr));
        const Network::Outputs found = network_.run(input, count, info_.input_size, info_.input_name, output_names_);
        std::vector<hpe_output> outputs;
        for (size_t i = 0; i < found.data.size(); ++i)
            outputs.push_back({found.data[i], found.columns[i], found.columns[i]});
        Poses poses(turns_deg.size());
        const hpe_poses view = poses.view();
        check(hpe_decode(spec_.get(), outputs.data(), info_.output_count, count, &view));
        check(hpe_undo_turns(turns_deg.data(), count, &view));
        return poses;
    }

    Network network_;
    std::unique_ptr<hpe_spec, void (*)(hpe_spec*)> spec_;
    hpe_spec_info info_{};
    std::vector<const char*> output_names_;
};

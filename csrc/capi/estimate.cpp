#include "capi/estimate.h"

#include <algorithm>
#include <utility>

#include "capi/search.h"
#include "decode/turns.h"

namespace hpe {
namespace {

// Poses of some faces.
class PoseRoom {
public:
    explicit PoseRoom(size_t count) : angles_(3 * count), sigma_(3 * count), rotation_(9 * count) {}

    PoseArrays arrays() { return {angles_.data(), sigma_.data(), rotation_.data()}; }

    // Face `index` becomes face `other` of `from`.
    void take(size_t index, const PoseRoom& from, size_t other) {
        std::copy_n(&from.angles_[3 * other], 3, &angles_[3 * index]);
        std::copy_n(&from.sigma_[3 * other], 3, &sigma_[3 * index]);
        std::copy_n(&from.rotation_[9 * other], 9, &rotation_[9 * index]);
    }

    void copy_to(const PoseArrays& to) const {
        std::copy(angles_.begin(), angles_.end(), to.angles);
        std::copy(sigma_.begin(), sigma_.end(), to.sigma);
        std::copy(rotation_.begin(), rotation_.end(), to.rotation);
    }

private:
    std::vector<float> angles_, sigma_, rotation_;
};

// Estimates faces of one frame.
class Estimate {
public:
    Estimate(const Model& model, Workplace& place, const Frame& frame, bool swap_colors)
        : model_(model), place_(place), frame_(frame), swap_colors_(swap_colors) {}

    // In crops of these turns, undone; rolled faces once more, where the spec says so.
    PoseRoom upright(const std::vector<Box>& boxes, const std::vector<float>& turns_deg) {
        PoseRoom found = turned(boxes, turns_deg);
        if (model_.upright != HPE_UPRIGHT_SECOND_PASS) return found;
        const auto count = static_cast<int32_t>(boxes.size());
        std::vector<int32_t> again(boxes.size());
        std::vector<float> again_deg(boxes.size());
        const int32_t rolled =
            second_pass(turns_deg.data(), count, found.arrays().rotation, again.data(), again_deg.data());
        std::vector<Box> rolled_boxes;
        for (int32_t k = 0; k < rolled; ++k) rolled_boxes.push_back(boxes[again[k]]);
        again_deg.resize(rolled_boxes.size());
        const PoseRoom second = turned(rolled_boxes, again_deg);
        for (size_t k = 0; k < rolled_boxes.size(); ++k) found.take(static_cast<size_t>(again[k]), second, k);
        return found;
    }

    // Doubtful faces are sought in turns all around, where the spec says so.
    void search(const std::vector<Box>& boxes, const std::vector<float>& turns_deg, PoseRoom& found) {
        if (model_.upright != HPE_UPRIGHT_SECOND_PASS || !model_.sigma_is_calibrated) return;
        const auto count = static_cast<int32_t>(boxes.size());
        std::vector<int32_t> doubtful(boxes.size());
        std::vector<float> looks_deg(HPE_SEARCH_LOOKS * boxes.size());
        const int32_t asked =
            search_turns(turns_deg.data(), count, found.arrays().sigma, doubtful.data(), looks_deg.data());
        std::vector<Box> again;
        for (int32_t k = 0; k < asked; ++k) again.insert(again.end(), HPE_SEARCH_LOOKS, boxes[doubtful[k]]);
        looks_deg.resize(again.size());
        PoseRoom looks = upright(again, looks_deg);
        take_looks(doubtful.data(), asked, looks.arrays(), found.arrays(), nullptr);
    }

private:
    PoseRoom turned(const std::vector<Box>& boxes, const std::vector<float>& turns_deg) {
        PoseRoom found(boxes.size());
        const PoseArrays to = found.arrays();
        for (size_t i = 0; i < boxes.size(); ++i) {
            std::vector<Turn> turn;
            if (turns_deg[i] != 0.0f) turn.push_back(turn_of(turns_deg[i]));
            uint8_t stretched = 0;
            crop_boxes(model_, frame_, swap_colors_, &boxes[i], turn, 1, place_.input.data());
            stretch_input(model_, place_.input.data(), 1, &stretched);
            place_.arena.run(reinterpret_cast<const uint8_t*>(place_.input.data()), place_.rows.data());
            HeadView heads[3]{};
            for (size_t h = 0; h < model_.heads.size(); ++h)
                heads[h] = {place_.rows[model_.heads[h].output] + model_.heads[h].column, 0};
            decode(model_, heads, 1, {to.angles + 3 * i, to.sigma + 3 * i, to.rotation + 9 * i});
        }
        undo_turns(turns_deg.data(), static_cast<int32_t>(boxes.size()), to);
        return found;
    }

    const Model& model_;
    Workplace& place_;
    const Frame& frame_;
    bool swap_colors_;
};

}  // namespace

Workplace::Workplace(const std::shared_ptr<const Network>& network, size_t face_bytes)
    : arena(network), input(face_bytes / sizeof(float) + 1) {
    for (const int columns : network->columns()) outputs.emplace_back(static_cast<size_t>(columns));
    for (std::vector<float>& output : outputs) rows.push_back(output.data());
}

Workplaces::Workplaces(std::shared_ptr<const Network> network, size_t face_bytes)
    : network_(std::move(network)), face_bytes_(face_bytes) {}

std::unique_ptr<Workplace> Workplaces::take() {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!idle_.empty()) {
            std::unique_ptr<Workplace> place = std::move(idle_.back());
            idle_.pop_back();
            return place;
        }
    }
    return std::make_unique<Workplace>(network_, face_bytes_);
}

void Workplaces::give_back(std::unique_ptr<Workplace> place) {
    const std::lock_guard<std::mutex> lock(mutex_);
    idle_.push_back(std::move(place));
}

std::shared_ptr<const Network> read_native(const void* data, size_t bytes, Model& model) {
    std::shared_ptr<const Network> network;
    try {
        with_network(static_cast<const uint8_t*>(data), bytes, [&](const NetworkFile& file) {
            model = read_model(file.spec.data(), file.spec.size());
            network = std::make_shared<const Network>(file, usable_network_isas().front());
        });
    } catch (const std::invalid_argument& error) {
        fail(HPE_INVALID_MODEL, "not a usable .hpe file: %s; make it again: hpe-edge export native", error.what());
    }
    const std::vector<int> columns = network->columns();
    bool fits = network->size() == model.plan.input.size && columns.size() == model.outputs.size() &&
                model.plan.output == (network->integers() ? OutputType::kUint8 : OutputType::kFloat32);
    for (size_t i = 0; fits && i < columns.size(); ++i) fits = columns[i] >= model.columns[i];
    if (!fits) fail(HPE_INVALID_MODEL, "the file's spec is not that of its network; make it again");
    return network;
}

void estimate(const Model& model, Workplaces& places, const Frame& frame, bool swap_colors, const Box* boxes,
              const std::vector<float>& turns_deg, const PoseArrays& poses) {
    std::unique_ptr<Workplace> place = places.take();
    const std::vector<Box> faces(boxes, boxes + turns_deg.size());
    Estimate run(model, *place, frame, swap_colors);
    PoseRoom found = run.upright(faces, turns_deg);
    run.search(faces, turns_deg, found);
    found.copy_to(poses);
    places.give_back(std::move(place));
}

}  // namespace hpe

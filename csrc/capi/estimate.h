// A model with its network in native code, and the whole way from frame and boxes to poses.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "capi/operations.h"
#include "network/network.h"

namespace hpe {

// What one estimate at a time needs: the network's buffers, and the room of one face.
struct Workplace {
    Workplace(const std::shared_ptr<const Network>& network, size_t face_bytes);

    Arena arena;
    std::vector<float> input;  // of any type; a float's alignment serves all
    std::vector<std::vector<float>> outputs;
    std::vector<float*> rows;  // of `outputs`
};

// Workplaces that no call holds at the moment. Calls from any threads.
class Workplaces {
public:
    explicit Workplaces(std::shared_ptr<const Network> network, size_t face_bytes);

    std::unique_ptr<Workplace> take();
    void give_back(std::unique_ptr<Workplace> place);

private:
    std::shared_ptr<const Network> network_;
    size_t face_bytes_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<Workplace>> idle_;
};

// Reads a .hpe file. Throws Failure (HPE_INVALID_MODEL, HPE_INVALID_SPEC).
std::shared_ptr<const Network> read_native(const void* data, size_t bytes, Model& model);

// `turns_deg` [count] of the first pass. Throws before anything is written to `poses`.
void estimate(const Model& model, Workplaces& places, const Frame& frame, bool swap_colors, const Box* boxes,
              const std::vector<float>& turns_deg, const PoseArrays& poses);

}  // namespace hpe

// A model's spec as the operations need it, read from its JSON; hpe_edge/spec.py describes the fields.
#pragma once

#include <string>
#include <vector>

#include "cpu/isa.h"
#include "cuda/kernel_launch.h"
#include "decode/decode.h"
#include "hpe_edge.h"

namespace hpe {

// Where a head's values lie: which of the network's outputs, from which column on.
struct HeadPlace {
    int output;
    int column;
};

struct Model {
    std::string architecture;
    std::string input_name;
    bool rgb = false;  // the network's channel order; else BGR
    hpe_upright upright = HPE_UPRIGHT_NONE;
    bool sigma_is_calibrated = false;
    double sigma_limit_deg = 0.0;
    CropPlan plan{};
    std::vector<std::string> outputs;
    std::vector<int> columns;  // of each output, that the heads need
    std::vector<HeadPlace> heads;
    DecodePlan decode{};
    BinDecode bins;  // of a decode by bins
    Isa isa{};
};

// Throws Failure (HPE_INVALID_SPEC).
Model read_model(const char* json, size_t length);

// Throws Failure (`status`).
void check_margins(const double margins[4], hpe_status status);

}  // namespace hpe

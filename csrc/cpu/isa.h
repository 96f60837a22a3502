// Which instruction sets this build carries and this processor runs. The caller chooses; nothing is remembered here.
#pragma once

#include <vector>

#include "cpu/kernels.h"

namespace hpe {

struct Isa {
    const char* name;
    const RowKernels* rows;
    const TurnedKernels* turned;
    const DecodeKernels* decode;
    const RegionKernels* regions;
};

// Best first, at least one entry; only what the processor at hand can run.
std::vector<Isa> usable_isas();

}  // namespace hpe

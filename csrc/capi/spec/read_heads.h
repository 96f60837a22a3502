// The decode of a spec: its heads, and the native plan that they make.
#pragma once

#include "capi/spec/fields.h"
#include "capi/spec/model.h"

namespace hpe {

// Reads into model.decode, heads and columns; model.outputs must be there. Sigma's factors stay 1.
void read_decode(const Field& field, Model& model);

float to_float(double value);

}  // namespace hpe

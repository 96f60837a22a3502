// Normalises vectors of levels and stores them in their planes; compiled once per instruction set.
#pragma once

#include "cpu/kernels.h"
#include "cpu/simd/simd.h"

namespace hpe::HPE_ISA {
namespace {

template <typename T>
struct Normalize {
    explicit Normalize(const PlaneRow<T>& planes) : planes_(planes) {
        for (int c = 0; c < 3; ++c) {
            gain_[c] = splat(planes.gain[c]);
            bias_[c] = splat(planes.bias[c]);
        }
    }

    void operator()(Vec level, int channel, int column, int left) const {
        store_first(planes_.out[channel] + column, mul_add(level, gain_[channel], bias_[channel]), left);
    }

private:
    PlaneRow<T> planes_;  // a copy: the compiler would reload a reference after every store of bytes
    Vec gain_[3];
    Vec bias_[3];
};

}  // namespace
}  // namespace hpe::HPE_ISA

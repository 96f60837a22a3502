// The vector type of the instruction set being compiled: HPE_ISA names the namespace, HPE_SIMD_HEADER the
// implementation.
#pragma once

#ifndef HPE_ISA
#error "compile through CMakeLists.txt, which sets HPE_ISA and HPE_SIMD_HEADER per instruction set"
#endif

#include HPE_SIMD_HEADER

namespace hpe::HPE_ISA {

// Rounded twice, as the processors and compilers without a fused instruction do it, so that all instruction sets give
// the same bits; -ffp-contract=off keeps the compiler from fusing it. For the same reason sum_of adds halves: lanes i
// and i + 8, then i and i + 4, i + 2, i + 1.
HPE_HD Vec mul_add(const Vec& a, const Vec& b, const Vec& c) {
    return add(mul(a, b), c);
}

}  // namespace hpe::HPE_ISA

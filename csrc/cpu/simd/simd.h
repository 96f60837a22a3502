// The vector type of the instruction set being compiled: HPE_ISA names the namespace, HPE_SIMD_HEADER the
// implementation.
#pragma once

#ifndef HPE_ISA
#error "compile through CMakeLists.txt, which sets HPE_ISA and HPE_SIMD_HEADER per instruction set"
#endif

#include HPE_SIMD_HEADER

// What an x86 processor and its operating system run. Asked directly: compilers differ in what they have a name for.
#pragma once

namespace hpe {

struct X86Features {
    bool avx2 = false;         // with FMA; every such processor also has F16C
    bool avx512 = false;       // F, BW, VL and DQ, with FMA
    bool avx_vnni = false;     // with AVX2
    bool avx512_vnni = false;  // with AVX-512
};

X86Features x86_features();

}  // namespace hpe

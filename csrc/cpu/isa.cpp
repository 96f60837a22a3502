#include "cpu/isa.h"

#if defined(HPE_X86_KERNELS)
#include "cpu/x86_features.h"
#endif

namespace hpe {

std::vector<Isa> usable_isas() {
    std::vector<Isa> isas;
#if defined(HPE_X86_KERNELS)
    const X86Features features = x86_features();
    if (features.avx512)
        isas.push_back({"avx512", &avx512::row_kernels, &avx512::turned_kernels, &avx512::decode_kernels,
                        &avx512::region_kernels});
    if (features.avx2)
        isas.push_back(
            {"avx2", &avx2::row_kernels, &avx2::turned_kernels, &avx2::decode_kernels, &avx2::region_kernels});
#endif
#if defined(HPE_NEON_KERNELS)
    isas.push_back({"neon", &neon::row_kernels, &neon::turned_kernels, &neon::decode_kernels, &neon::region_kernels});
#endif
    isas.push_back({"baseline", &baseline::row_kernels, &baseline::turned_kernels, &baseline::decode_kernels,
                    &baseline::region_kernels});
    return isas;
}

}  // namespace hpe

#include "cpu/isa.h"

namespace hpe {

std::vector<Isa> usable_isas() {
    std::vector<Isa> isas;
#if defined(HPE_X86_KERNELS)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("fma"))
        isas.push_back({"avx512", &avx512::row_kernels, &avx512::turned_kernels, &avx512::decode_kernels,
                        &avx512::region_kernels});
    // Every processor with AVX2 and FMA also has F16C, which has no name of its own in older compilers.
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
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

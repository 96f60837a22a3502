#include "network/network.h"

#if defined(HPE_X86_KERNELS)
#include <cpuid.h>
#elif defined(HPE_NEON_KERNELS) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace hpe {

#define HPE_DECLARE(isa)                         \
    namespace isa {                              \
    extern const NetworkKernels network_kernels; \
    }
#if defined(HPE_X86_KERNELS)
HPE_DECLARE(avx512vnni)
HPE_DECLARE(avxvnni)
HPE_DECLARE(avx2)
#elif defined(HPE_NEON_KERNELS)
HPE_DECLARE(dotprod)
HPE_DECLARE(neon)
#endif
HPE_DECLARE(baseline)
#undef HPE_DECLARE

namespace {

#if defined(HPE_X86_KERNELS)
// The name that compilers have for it is younger than the instructions.
bool has_avx_vnni() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1u);
}
#elif defined(HPE_NEON_KERNELS)
bool has_dotprod() {
#if defined(__linux__)
    return getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
#else
    return false;
#endif
}
#endif

}  // namespace

std::vector<NetworkIsa> usable_network_isas() {
    std::vector<NetworkIsa> isas;
#if defined(HPE_X86_KERNELS)
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni"))
        isas.push_back({"avx512vnni", &avx512vnni::network_kernels});
    if (avx2 && has_avx_vnni()) isas.push_back({"avxvnni", &avxvnni::network_kernels});
    if (avx2) isas.push_back({"avx2", &avx2::network_kernels});
#elif defined(HPE_NEON_KERNELS)
    if (has_dotprod()) isas.push_back({"dotprod", &dotprod::network_kernels});
    isas.push_back({"neon", &neon::network_kernels});
#endif
    isas.push_back({"baseline", &baseline::network_kernels});
    return isas;
}

}  // namespace hpe

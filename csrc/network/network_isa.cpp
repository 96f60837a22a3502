#include "network/network.h"

#if defined(HPE_X86_KERNELS)
#include "cpu/x86_features.h"
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

#if defined(HPE_NEON_KERNELS)
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
    const X86Features features = x86_features();
    if (features.avx512_vnni) isas.push_back({"avx512vnni", &avx512vnni::network_kernels});
    if (features.avx_vnni) isas.push_back({"avxvnni", &avxvnni::network_kernels});
    if (features.avx2) isas.push_back({"avx2", &avx2::network_kernels});
#elif defined(HPE_NEON_KERNELS)
    if (has_dotprod()) isas.push_back({"dotprod", &dotprod::network_kernels});
    isas.push_back({"neon", &neon::network_kernels});
#endif
    isas.push_back({"baseline", &baseline::network_kernels});
    return isas;
}

}  // namespace hpe

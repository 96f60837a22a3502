// The processor's features, against the compiler's own names for them.
#include "check.h"

#if defined(HPE_X86_KERNELS)
#include "cpu/x86_features.h"
#endif

void features_tests() {
#if defined(HPE_X86_KERNELS) && defined(__GNUC__)
    __builtin_cpu_init();
    const hpe::X86Features found = hpe::x86_features();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    CHECK(found.avx2 == avx2, "%d", found.avx2);
    CHECK(found.avx512 == avx512, "%d", found.avx512);
    CHECK(found.avx512_vnni == (avx512 && __builtin_cpu_supports("avx512vnni")), "%d", found.avx512_vnni);
    CHECK(!found.avx_vnni || avx2, "%d", found.avx_vnni);
#endif
}

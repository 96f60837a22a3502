#include "cpu/x86_features.h"

#include <cstdint>

#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif

namespace hpe {
namespace {

struct Registers {
    uint32_t a = 0, b = 0, c = 0, d = 0;
};

bool bit(uint32_t word, int number) {
    return (word >> number & 1u) != 0;
}

// Zeros where the processor has no such leaf.
Registers leaf(uint32_t number, uint32_t part) {
    Registers r;
#if defined(_MSC_VER)
    int most[4], found[4];
    __cpuid(most, 0);
    if (static_cast<uint32_t>(most[0]) < number) return r;
    __cpuidex(found, static_cast<int>(number), static_cast<int>(part));
    r = {static_cast<uint32_t>(found[0]), static_cast<uint32_t>(found[1]), static_cast<uint32_t>(found[2]),
         static_cast<uint32_t>(found[3])};
#else
    __get_cpuid_count(number, part, &r.a, &r.b, &r.c, &r.d);
#endif
    return r;
}

// Registers that the operating system saves.
uint32_t saved_state() {
#if defined(_MSC_VER)
    return static_cast<uint32_t>(_xgetbv(0));
#else
    uint32_t low = 0, high = 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
#endif
}

X86Features look() {
    X86Features found;
    const Registers basic = leaf(1, 0), extended = leaf(7, 0), more = leaf(7, 1);
    if (!bit(basic.c, 27)) return found;  // OSXSAVE
    const uint32_t saved = saved_state();
    const bool ymm = (saved & 0x06u) == 0x06u, zmm = (saved & 0xe6u) == 0xe6u;
    found.avx2 = ymm && bit(extended.b, 5) && bit(basic.c, 12);
    found.avx512 =
        found.avx2 && zmm && bit(extended.b, 16) && bit(extended.b, 17) && bit(extended.b, 30) && bit(extended.b, 31);
    found.avx_vnni = found.avx2 && bit(more.a, 4);
    found.avx512_vnni = found.avx512 && bit(extended.c, 11);
    return found;
}

}  // namespace

X86Features x86_features() {
    // A virtual machine is left for each cpuid: tens of microseconds in all.
    static const X86Features found = look();
    return found;
}

}  // namespace hpe

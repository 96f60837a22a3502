#include "check.h"

int main() {
    batch_tests();
    crop_tests();
    warp_tests();
    turned_tests();
    decode_tests();
    emulated_tests();
    features_tests();
    network_tests();
    same_bits_tests();
    region_tests();
    std::printf(failures() ? "%d checks failed\n" : "all native checks passed\n", failures());
    return failures() ? 1 : 0;
}

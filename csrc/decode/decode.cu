// decode on a GPU; the work is in decode_kernel.h.
#include "cuda/cuda_launch.h"
#include "cuda/kernel_bodies.h"

namespace hpe {

void launch_decode(const DecodePlan& plan, const HeadView heads[3], int count, const PoseArrays& out, void* stream) {
    run_decode(plan, heads, count, out, Launch{stream});
}

}  // namespace hpe

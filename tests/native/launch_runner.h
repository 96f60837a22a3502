// Where the launch tests run the launches: emulated on the CPU, or on a GPU.
#pragma once

#include <vector>

#include "check.h"
#include "cuda/kernel_launch.h"

// The poses of `count` faces in one array [15 * count].
inline hpe::PoseArrays pose_arrays(float* at, int count) {
    return {at, at + 3 * count, at + 6 * count};
}

class Runner {
public:
    virtual ~Runner() = default;

    // Where the launches find what lies there, until `forget`.
    virtual uint64_t lend(const void* host, size_t bytes) = 0;
    virtual void forget() = 0;

    // What the launch writes, [faces, 3, size, size]; it lies `skew` floats behind an aligned address.
    virtual std::vector<float> crop(const hpe::CropPlan& plan, const std::vector<hpe::BoxFace>& faces, int skew) = 0;
    virtual std::vector<float> warp(const hpe::CropPlan& plan, const std::vector<hpe::WarpFace>& faces) = 0;
    // Crops in the plan's type, stretched in place, and the marks [count].
    virtual std::vector<float> stretch(const hpe::CropPlan& plan, std::vector<uint8_t>& crops, int count) = 0;
    // As pose_arrays; `heads` are of lent memory.
    virtual std::vector<float> decode(const hpe::DecodePlan& plan, const hpe::HeadView heads[3], int count) = 0;
};

void launch_tests(Runner& runner);

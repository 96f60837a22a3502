// A batch on a GPU from start to end, without the interpreter: face records written, frames waited for or copied, the
// captured graph launched, its end waited for, poses handed out.
#pragma once

#include <vector>

#include "crop/homography.h"
#include "cuda/driver_calls.h"
#include "cuda/kernel_launch.h"

namespace hpe {

// The faces of one frame in a batch.
struct BatchPart {
    FrameRecord frame;
    const Box* boxes;                // [count], or
    const Homography* homographies;  // [count]
    const float* turns_deg;          // [count], of boxes; null: no turns
    int count;
    float* angles;    // [count, 3]
    float* sigma;     // [count, 3]
    float* rotation;  // [count, 3, 3]
    bool* stretched;  // [count]
};

// A frame's bytes on their way to the GPU.
struct HostCopy {
    uint64_t to;
    const void* from;
    size_t bytes;
};

struct Batch {
    int size;  // faces that the network runs; beyond those of the parts the last one is repeated
    std::vector<BatchPart> parts;
    std::vector<HostCopy> copies;
    std::vector<DriverCalls::Handle> writers;  // streams that write frames
};

// The memory and handles of one caller. A second batch may start when the first has ended.
class BatchRun {
public:
    // `faces` and `poses` are page-locked: BoxFace or WarpFace [most], and [16 * most] floats as the decode writes
    // them, then the marks of the stretch.
    BatchRun(const DriverCalls& calls, DriverCalls::Handle context, DriverCalls::Handle stream,
             DriverCalls::Handle event, const CropPlan& crop, int most, void* box_faces, void* warp_faces,
             const float* poses)
        : calls_(calls),
          context_(context),
          stream_(stream),
          event_(event),
          crop_(crop),
          most_(most),
          box_faces_(static_cast<BoxFace*>(box_faces)),
          warp_faces_(static_cast<WarpFace*>(warp_faces)),
          poses_(poses) {}

    // Writes the records, and enqueues what must be done before they are read. They throw DriverError where the driver
    // refuses a call; nothing of the batch is under way then. The stream must be idle.
    void load(const Batch& batch) const;
    // As load; then launches a graph, waits for it and hands out the poses.
    void run(const Batch& batch, DriverCalls::Handle graph) const;
    // Hands out the poses of a batch that has run.
    void read(const Batch& batch) const;

private:
    void write_faces(const Batch& batch) const;
    void enqueue(const Batch& batch) const;

    DriverCalls calls_;
    DriverCalls::Handle context_, stream_, event_;
    CropPlan crop_;
    int most_;
    BoxFace* box_faces_;
    WarpFace* warp_faces_;
    const float* poses_;
};

}  // namespace hpe

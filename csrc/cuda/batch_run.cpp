#include "cuda/batch_run.h"

#include <cstring>

#include "crop/place_faces.h"

namespace hpe {
namespace {

BoxFace box_face(const CropPlan& plan, const BatchPart& part, int i) {
    const Turn turn = part.turns_deg ? turn_of(part.turns_deg[i]) : Turn{1.0f, 0.0f};
    return {part.frame, place_box(part.frame, part.boxes[i], turn, plan.crop, plan.input.size)};
}

WarpFace warp_face(const CropPlan& plan, const BatchPart& part, int i) {
    return {part.frame, place_view(part.homographies[i], plan.input.size, plan.crop.antialias)};
}

// Writes the faces of all parts, then the last one until there are `size`.
template <typename Face, typename Make>
void fill(const Batch& batch, Face* faces, const Make& make) {
    int at = 0;
    for (const BatchPart& part : batch.parts)
        for (int i = 0; i < part.count; ++i) faces[at++] = make(part, i);
    for (; at > 0 && at < batch.size; ++at) faces[at] = faces[at - 1];
}

}  // namespace

void BatchRun::write_faces(const Batch& batch) const {
    int count = 0;
    for (const BatchPart& part : batch.parts) count += part.count;
    if (count < 1 || count > batch.size || batch.size > most_)
        throw std::invalid_argument("a batch must hold its faces, and fit the buffers");
    if (batch.parts.front().homographies)
        fill(batch, warp_faces_, [&](const BatchPart& part, int i) { return warp_face(crop_, part, i); });
    else
        fill(batch, box_faces_, [&](const BatchPart& part, int i) { return box_face(crop_, part, i); });
}

void BatchRun::enqueue(const Batch& batch) const {
    for (const HostCopy& copy : batch.copies)
        check_driver("copying to the GPU", calls_.copy_in(copy.to, copy.from, copy.bytes, stream_));
    for (const DriverCalls::Handle writer : batch.writers) {
        check_driver("marking the frame's stream", calls_.record_event(event_, writer));
        check_driver("waiting for the frame's stream", calls_.wait_event(stream_, event_, 0));
    }
}

void BatchRun::load(const Batch& batch) const {
    write_faces(batch);
    const EnteredContext entered(calls_, context_);
    try {
        enqueue(batch);
    } catch (const DriverError&) {
        calls_.synchronize(stream_);  // copies may still read the frames
        throw;
    }
}

void BatchRun::run(const Batch& batch, DriverCalls::Handle graph) const {
    write_faces(batch);
    {
        const EnteredContext entered(calls_, context_);
        try {
            enqueue(batch);
            check_driver("launching a CUDA graph", calls_.launch_graph(graph, stream_));
        } catch (const DriverError&) {
            calls_.synchronize(stream_);
            throw;
        }
        check_driver("running on the GPU", calls_.synchronize(stream_));
    }
    read(batch);
}

void BatchRun::read(const Batch& batch) const {
    const float* angles = poses_;
    const float* sigma = poses_ + 3 * batch.size;
    const float* rotation = poses_ + 6 * batch.size;
    const float* stretched = poses_ + 15 * batch.size;
    for (const BatchPart& part : batch.parts) {
        const size_t n = static_cast<size_t>(part.count);
        std::memcpy(part.angles, angles, 3 * n * sizeof(float));
        std::memcpy(part.sigma, sigma, 3 * n * sizeof(float));
        std::memcpy(part.rotation, rotation, 9 * n * sizeof(float));
        angles += 3 * n;
        sigma += 3 * n;
        rotation += 9 * n;
        for (size_t i = 0; i < n; ++i) part.stretched[i] = *stretched++ != 0.0f;
    }
}

}  // namespace hpe

// The launch tests on a GPU: a program of its own, so that compute-sanitizer can watch it. Every frame lies in memory
// of exactly its own size. Without a GPU nothing is run and the exit status is 0, or 1 where HPE_EDGE_REQUIRE_CUDA
// is 1.
#include <cuda_runtime.h>

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "cuda/cuda_device.h"
#include "launch_runner.h"

namespace {

using namespace hpe;

void check_cuda(cudaError_t status) {
    if (status != cudaSuccess) throw std::runtime_error(cudaGetErrorString(status));
}

class Memory {
public:
    explicit Memory(size_t bytes) { check_cuda(cudaMalloc(&at_, bytes)); }
    // On the launches' stream: cudaMemcpy may return before the copy is there, and that stream would not wait for it.
    Memory(const void* host, size_t bytes, cudaStream_t stream) : Memory(bytes) {
        check_cuda(cudaMemcpyAsync(at_, host, bytes, cudaMemcpyHostToDevice, stream));
    }
    Memory(Memory&& other) noexcept : at_(other.at_) { other.at_ = nullptr; }
    Memory& operator=(Memory&&) = delete;
    ~Memory() { cudaFree(at_); }

    template <typename T>
    T* as() const {
        return static_cast<T*>(at_);
    }

private:
    void* at_ = nullptr;
};

class OnGpu : public Runner {
public:
    OnGpu() { check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
    ~OnGpu() override { cudaStreamDestroy(stream_); }

    uint64_t lend(const void* host, size_t bytes) override {
        lent_.emplace_back(host, bytes, stream_);
        return reinterpret_cast<uint64_t>(lent_.back().as<void>());
    }
    void forget() override { lent_.clear(); }

    std::vector<float> crop(const CropPlan& plan, const std::vector<BoxFace>& faces, int skew) override {
        const Memory there(faces.data(), sizeof(BoxFace) * faces.size(), stream_);
        return results(3 * plan.input.size * plan.input.size * faces.size(), skew, [&](float* out) {
            launch_crop(plan, there.as<BoxFace>(), static_cast<int>(faces.size()), out, stream_);
        });
    }

    std::vector<float> warp(const CropPlan& plan, const std::vector<WarpFace>& faces) override {
        const Memory there(faces.data(), sizeof(WarpFace) * faces.size(), stream_);
        return results(3 * plan.input.size * plan.input.size * faces.size(), 0, [&](float* out) {
            launch_warp(plan, there.as<WarpFace>(), static_cast<int>(faces.size()), out, stream_);
        });
    }

    std::vector<float> stretch(const CropPlan& plan, std::vector<uint8_t>& crops, int count) override {
        const Memory there(crops.data(), crops.size(), stream_);
        std::vector<float> marks =
            results(count, 0, [&](float* out) { launch_stretch(plan, there.as<void>(), count, out, stream_); });
        check_cuda(cudaMemcpy(crops.data(), there.as<void>(), crops.size(), cudaMemcpyDeviceToHost));
        return marks;
    }

    std::vector<float> decode(const DecodePlan& plan, const HeadView heads[3], int count) override {
        return results(static_cast<size_t>(15) * count, 0,
                       [&](float* out) { launch_decode(plan, heads, count, pose_arrays(out, count), stream_); });
    }

private:
    template <typename Launch>
    std::vector<float> results(size_t values, int skew, const Launch& launch) const {
        const Memory out(4 * (values + skew));
        launch(out.as<float>() + skew);
        check_cuda(cudaStreamSynchronize(stream_));
        std::vector<float> got(values);
        check_cuda(cudaMemcpy(got.data(), out.as<float>() + skew, 4 * values, cudaMemcpyDeviceToHost));
        return got;
    }

    cudaStream_t stream_ = nullptr;
    std::vector<Memory> lent_;
};

bool required() {
    const char* said = std::getenv("HPE_EDGE_REQUIRE_CUDA");
    return said && std::strcmp(said, "1") == 0;
}

}  // namespace

int main() {
    const CudaProbe probe = probe_cuda();
    if (!probe.reason.empty()) {
        std::printf("%s: nothing was launched, there is no GPU: %s\n", required() ? "FAILED" : "skipped",
                    probe.reason.c_str());
        return required() ? 1 : 0;
    }
    try {
        OnGpu runner;
        launch_tests(runner);
    } catch (const std::exception& error) {
        std::printf("FAILED on %s: %s\n", probe.devices[0].name.c_str(), error.what());
        return 1;
    }
    if (failures())
        std::printf("%d checks failed on %s\n", failures(), probe.devices[0].name.c_str());
    else
        std::printf("all launches passed on %s\n", probe.devices[0].name.c_str());
    return failures() ? 1 : 0;
}

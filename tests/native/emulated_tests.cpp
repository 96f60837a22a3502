// The launch tests on the CPU, thread after thread. Forwards and backwards must agree to the bit, or one thread has
// read within a phase what another one writes.
#include <cstring>

#include "launch_runner.h"

namespace {

using namespace hpe;

class Emulated : public Runner {
public:
    uint64_t lend(const void* host, size_t) override { return reinterpret_cast<uint64_t>(host); }
    void forget() override {}

    std::vector<float> crop(const CropPlan& plan, const std::vector<BoxFace>& faces, int skew) override {
        return both_ways(3 * plan.input.size * plan.input.size * faces.size(), skew, [&](float* out, bool backwards) {
            emulate_crop(plan, faces.data(), static_cast<int>(faces.size()), out, backwards);
        });
    }

    std::vector<float> warp(const CropPlan& plan, const std::vector<WarpFace>& faces) override {
        return both_ways(3 * plan.input.size * plan.input.size * faces.size(), 0, [&](float* out, bool backwards) {
            emulate_warp(plan, faces.data(), static_cast<int>(faces.size()), out, backwards);
        });
    }

    std::vector<float> stretch(const CropPlan& plan, std::vector<uint8_t>& crops, int count) override {
        std::vector<uint8_t> other = crops;
        std::vector<float> marks(count), other_marks(count);
        emulate_stretch(plan, other.data(), count, other_marks.data(), true);
        emulate_stretch(plan, crops.data(), count, marks.data(), false);
        CHECK(crops == other && marks == other_marks, "the order of threads shows in one of %d stretched faces", count);
        return marks;
    }

    std::vector<float> decode(const DecodePlan& plan, const HeadView heads[3], int count) override {
        return both_ways(static_cast<size_t>(15) * count, 0, [&](float* out, bool backwards) {
            emulate_decode(plan, heads, count, pose_arrays(out, count), backwards);
        });
    }

private:
    template <typename Launch>
    static std::vector<float> both_ways(size_t values, int skew, const Launch& launch) {
        std::vector<float> forwards(values + skew), backwards(values + skew);
        launch(forwards.data() + skew, false);
        launch(backwards.data() + skew, true);
        CHECK(memcmp(forwards.data(), backwards.data(), 4 * forwards.size()) == 0,
              "the order of threads shows in one of %zu values", values);
        return {forwards.begin() + skew, forwards.end()};
    }
};

}  // namespace

void emulated_tests() {
    Emulated runner;
    launch_tests(runner);
}

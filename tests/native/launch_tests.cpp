// The CUDA launches, emulated thread after thread, against the CPU's loops: faces of frames of every format in one
// launch, tiles of every shape, with frames that end where their data ends. Forwards and backwards must agree to the
// bit, or one thread has read within a phase what another one writes.
#include <algorithm>
#include <cstring>
#include <memory>

#include "check.h"
#include "isa.h"
#include "kernel_launch.h"
#include "warp_normalize.h"

namespace {

using namespace hpe;

FrameRecord record_of(const Frame& f, bool swap_colors) {
    return {reinterpret_cast<uint64_t>(f.data),
            reinterpret_cast<uint64_t>(f.chroma),
            f.row_stride_bytes,
            f.chroma_row_stride_bytes,
            f.width,
            f.height,
            static_cast<int32_t>(f.format),
            swap_colors};
}

class Random {
public:
    explicit Random(unsigned seed) : engine(seed) {}
    float between(double low, double high) {
        return static_cast<float>(low + (high - low) * static_cast<double>(engine()) / 4294967296.0);
    }
    int below(int limit) { return static_cast<int>(engine() % static_cast<unsigned>(limit)); }
    std::mt19937 engine;
};

std::unique_ptr<TestFrame> any_frame(Random& random, int most) {
    const auto format = static_cast<PixelFormat>(random.below(3));
    const int unit = format == PixelFormat::kNv12 ? 2 : 1;
    const int width = unit * (1 + random.below(most / unit)), height = unit * (1 + random.below(most / unit));
    // Rows that lie on words and rows that do not.
    auto frame = std::make_unique<TestFrame>(width, height, format, random.below(4), random.engine);
    if (format == PixelFormat::kColor && random.below(3) == 0) frame->turn_bottom_up();
    return frame;
}

CropPlan any_plan(Random& random, int size) {
    CropPlan plan{};
    plan.crop = {{random.between(-0.3, 0.6), 0.1, 0.2, 0.0},
                 static_cast<Square>(random.below(3)),
                 random.below(2) == 0,
                 random.below(2) == 0,
                 {10, 100, 250}};
    plan.input = {size, false, {0.5f, 1.0f, 0.25f}, {3, -5, 7}};
    plan.output = OutputType::kFloat32;
    plan.tiles_wanted = 1 + random.below(40);
    return plan;
}

void compare(const char* name, const std::vector<float>& got, const std::vector<float>& want, int size) {
    for (size_t i = 0; i < want.size(); ++i)
        CHECK(std::fabs(got[i] - want[i]) <= 1e-3f, "%s, size %d: value %zu is %g, want %g", name, size, i,
              static_cast<double>(got[i]), static_cast<double>(want[i]));
}

void check_boxes(Random& random, int size, int most_pixels) {
    const int count = 1 + random.below(5);
    CropPlan plan = any_plan(random, size);
    std::vector<std::unique_ptr<TestFrame>> frames;
    std::vector<BoxFace> faces;
    const size_t values = static_cast<size_t>(3) * size * size;
    std::vector<float> want(count * values), forwards(want.size()), backwards(want.size());
    for (int i = 0; i < count; ++i) {
        frames.push_back(any_frame(random, most_pixels));
        const Frame& view = frames.back()->view;
        const float x = random.between(-0.5 * view.width, 1.1 * view.width);
        const float y = random.between(-0.5 * view.height, 1.1 * view.height);
        const float wide = random.between(0.3, 1.5 * view.width + 1), high = random.between(0.3, 1.5 * view.height + 1);
        const Box box{x, y, x + wide, y + high};
        const bool swap_colors = random.below(2) == 0;
        faces.push_back({record_of(view, swap_colors), box});
        InputRule input = plan.input;
        input.swap_colors = swap_colors;
        crop_normalize(view, &box, 1, plan.crop, input, *usable_isas().back().rows, want.data() + i * values);
    }
    emulate_crop(plan, faces.data(), count, forwards.data());
    emulate_crop(plan, faces.data(), count, backwards.data(), true);
    compare("boxes", forwards, want, size);
    CHECK(memcmp(forwards.data(), backwards.data(), 4 * want.size()) == 0, "the order of threads shows, size %d", size);
}

void check_homographies(Random& random, int size) {
    const int count = 1 + random.below(3);
    const CropPlan plan = any_plan(random, size);
    std::vector<std::unique_ptr<TestFrame>> frames;
    std::vector<WarpFace> faces;
    const size_t values = static_cast<size_t>(3) * size * size;
    std::vector<float> want(count * values), got(want.size());
    for (int i = 0; i < count; ++i) {
        frames.push_back(any_frame(random, 60));
        const Homography h{{random.between(0.2, 3), random.between(-1, 1), random.between(-20, 20),
                            random.between(-1, 1), random.between(0.2, 3), random.between(-20, 20),
                            random.between(-0.01, 0.01), random.between(-0.01, 0.01), 1.0}};
        const bool swap_colors = random.below(2) == 0;
        faces.push_back({record_of(frames.back()->view, swap_colors), h});
        InputRule input = plan.input;
        input.swap_colors = swap_colors;
        warp_normalize(frames.back()->view, &h, 1, plan.crop, input, *usable_isas().back().rows,
                       want.data() + i * values);
    }
    emulate_warp(plan, faces.data(), count, got.data());
    compare("homographies", got, want, size);
}

// What a launch writes must end where the output ends, and be the same whether runs can be stored at once or not.
void check_unaligned_output() {
    Random random(11);
    const TestFrame frame(40, 30, PixelFormat::kColor, 0, random.engine);
    const CropPlan plan = any_plan(random, 16);
    const BoxFace face{record_of(frame.view, true), {3, 4, 33, 25}};
    const size_t values = 3 * 16 * 16;
    std::vector<float> room(values + 1), aligned(values);
    emulate_crop(plan, &face, 1, room.data() + 1);
    emulate_crop(plan, &face, 1, aligned.data());
    CHECK(memcmp(room.data() + 1, aligned.data(), 4 * values) == 0, "an output that is not aligned differs");
}

void check_bins(int bins, int count) {
    Random random(static_cast<unsigned>(bins));
    const int stride = 3 * bins + 2;
    std::vector<float> logits(static_cast<size_t>(stride) * (count - 1) + 3 * bins);
    for (float& v : logits) v = random.between(-9, 9);
    if (count > 2) logits[stride + bins] = NAN;
    const DecodePlan plan{DecodeKind::kBins,
                          {{-180.0f, 360.0f / static_cast<float>(bins), bins, true},
                           {-99.0f, 3.0f, bins, false},
                           {-97.5f, 1.5f, bins, false}},
                          {}};
    HeadView heads[3];
    for (int h = 0; h < 3; ++h) heads[h] = {logits.data() + h * bins, stride};
    std::vector<float> want(15 * count), forwards(15 * count), backwards(15 * count);
    const auto arrays = [&](std::vector<float>& v) {
        return PoseArrays{v.data(), v.data() + 3 * count, v.data() + 6 * count};
    };
    decode_bins(heads, count, make_bin_decode(plan.grid), *usable_isas().back().decode, arrays(want));
    emulate_decode(plan, heads, count, arrays(forwards));
    emulate_decode(plan, heads, count, arrays(backwards), true);
    for (size_t i = 0; i < want.size(); ++i) {
        const bool both_nan = std::isnan(want[i]) && std::isnan(forwards[i]);
        CHECK(both_nan || std::fabs(forwards[i] - want[i]) <= 1e-5f * std::max(100.0f, std::fabs(want[i])),
              "%d bins, %d faces: value %zu is %g, want %g", bins, count, i, static_cast<double>(forwards[i]),
              static_cast<double>(want[i]));
    }
    CHECK(memcmp(forwards.data(), backwards.data(), 4 * want.size()) == 0, "the order of threads shows, %d bins", bins);
}

}  // namespace

void launch_tests() {
    Random random(7);
    for (int round = 0; round < 200; ++round) {
        const int sizes[] = {1, 3, 4, 8, 15, 16, 17, 32, 47};
        check_boxes(random, sizes[random.below(9)], 60);
        if (round < 40) check_homographies(random, sizes[random.below(9)]);
    }
    // Windows that fit the room in some rows only, or not at all; more columns than a tile has.
    for (int round = 0; round < 12; ++round) check_boxes(random, 4 + random.below(6), 2000);
    check_boxes(random, 260, 300);
    check_boxes(random, 516, 90);
    check_unaligned_output();
    for (const int bins : {1, 2, 31, 32, 33, 66, 120, 198}) {
        check_bins(bins, 1);
        check_bins(bins, 5);
    }
}

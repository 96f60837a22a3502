// The CUDA launches, emulated or on a GPU, against the CPU's loops: faces of frames of every format in one launch,
// tiles of every shape, with frames that end where their data ends.
#include <algorithm>
#include <cstring>
#include <memory>

#include "cpu/isa.h"
#include "crop/place_faces.h"
#include "crop/stretch.h"
#include "crop/turned_crop.h"
#include "crop/warp_normalize.h"
#include "launch_runner.h"

namespace {

using namespace hpe;

// Lends the frame to the launches.
FrameRecord record_of(const TestFrame& frame, bool swap_colors, Runner& runner) {
    const Frame& f = frame.view;
    const uint64_t luma = runner.lend(frame.luma.data(), frame.luma.size());
    return {luma + static_cast<uint64_t>(f.data - frame.luma.data()),
            f.chroma ? runner.lend(frame.chroma.data(), frame.chroma.size()) : 0,
            f.row_stride_bytes,
            f.chroma_row_stride_bytes,
            f.width,
            f.height,
            static_cast<int32_t>(f.format),
            swap_colors,
            static_cast<int16_t>(frame.yuv)};
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
    const auto format = static_cast<PixelFormat>(random.below(4));
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

void compare(const char* name, const std::vector<float>& got, const std::vector<float>& want, int size,
             float tolerance = 1e-3f) {
    for (size_t i = 0; i < want.size(); ++i)
        CHECK(std::fabs(got[i] - want[i]) <= tolerance, "%s, size %d: value %zu is %g, want %g", name, size, i,
              static_cast<double>(got[i]), static_cast<double>(want[i]));
}

void check_boxes(Random& random, int size, int most_pixels, Runner& runner) {
    const int count = 1 + random.below(5);
    CropPlan plan = any_plan(random, size);
    std::vector<std::unique_ptr<TestFrame>> frames;
    std::vector<BoxFace> faces;
    const size_t values = static_cast<size_t>(3) * size * size;
    std::vector<float> want(count * values);
    for (int i = 0; i < count; ++i) {
        frames.push_back(any_frame(random, most_pixels));
        const Frame& view = frames.back()->view;
        const float x = random.between(-0.5 * view.width, 1.1 * view.width);
        const float y = random.between(-0.5 * view.height, 1.1 * view.height);
        const float wide = random.between(0.3, 1.5 * view.width + 1), high = random.between(0.3, 1.5 * view.height + 1);
        const Box box{x, y, x + wide, y + high};
        const bool swap_colors = random.below(2) == 0;
        const double angle = random.below(2) == 0 ? 0.0 : static_cast<double>(random.between(-4, 4));
        const Turn turn{static_cast<float>(std::cos(angle)), static_cast<float>(std::sin(angle))};
        const FrameRecord record = record_of(*frames.back(), swap_colors, runner);
        faces.push_back({record, place_box(record, box, turn, plan.crop, size)});
        InputRule input = plan.input;
        input.swap_colors = swap_colors;
        const Isa isa = usable_isas().back();
        if (is_turned(turn))
            turned_crop(view, box, turn, plan.crop, input, *isa.turned, want.data() + i * values);
        else
            crop_normalize(view, &box, 1, plan.crop, input, *isa.rows, want.data() + i * values);
    }
    // Turned crops on the CPU weigh in 14 bits.
    compare("boxes", runner.crop(plan, faces, 0), want, size, 0.1f);
    runner.forget();
}

void check_homographies(Random& random, int size, Runner& runner) {
    const int count = 1 + random.below(3);
    const CropPlan plan = any_plan(random, size);
    std::vector<std::unique_ptr<TestFrame>> frames;
    std::vector<WarpFace> faces;
    const size_t values = static_cast<size_t>(3) * size * size;
    std::vector<float> want(count * values);
    for (int i = 0; i < count; ++i) {
        frames.push_back(any_frame(random, 60));
        const Homography h{{random.between(0.2, 3), random.between(-1, 1), random.between(-20, 20),
                            random.between(-1, 1), random.between(0.2, 3), random.between(-20, 20),
                            random.between(-0.01, 0.01), random.between(-0.01, 0.01), 1.0}};
        const bool swap_colors = random.below(2) == 0;
        faces.push_back({record_of(*frames.back(), swap_colors, runner), place_view(h, size, plan.crop.antialias)});
        InputRule input = plan.input;
        input.swap_colors = swap_colors;
        warp_normalize(frames.back()->view, &h, 1, plan.crop, input, *usable_isas().back().rows,
                       want.data() + i * values);
    }
    compare("homographies", runner.warp(plan, faces), want, size);
    runner.forget();
}

// What a launch writes must end where the output ends, and be the same whether runs can be stored at once or not.
void check_unaligned_output(Runner& runner) {
    Random random(11);
    const TestFrame frame(40, 30, PixelFormat::kColor, 0, random.engine);
    const CropPlan plan = any_plan(random, 16);
    const FrameRecord record = record_of(frame, true, runner);
    const BoxFace face{record, place_box(record, {3, 4, 33, 25}, {1, 0}, plan.crop, 16)};
    const std::vector<float> aligned = runner.crop(plan, {face}, 0), skewed = runner.crop(plan, {face}, 1);
    CHECK(memcmp(skewed.data(), aligned.data(), 4 * aligned.size()) == 0, "an output that is not aligned differs");
    runner.forget();
}

void check_bins(DecodeKind kind, int bins, int count, Runner& runner) {
    Random random(static_cast<unsigned>(bins));
    const int stride = 3 * bins + 2;
    std::vector<float> logits(static_cast<size_t>(stride) * (count - 1) + 3 * bins);
    for (float& v : logits) v = random.between(-9, 9);
    if (count > 2) logits[stride + bins] = NAN;
    const DecodePlan plan{kind,
                          {{-180.0f, 360.0f / static_cast<float>(bins), bins, true},
                           {-99.0f, 3.0f, bins, false},
                           {-97.5f, 1.5f, bins, false}},
                          {}};
    HeadView here[3], lent[3];
    const auto* there = reinterpret_cast<const float*>(runner.lend(logits.data(), 4 * logits.size()));
    for (int h = 0; h < 3; ++h) {
        here[h] = {logits.data() + h * bins, stride};
        lent[h] = {there + h * bins, stride};
    }
    std::vector<float> want(15 * count);
    const BinDecode decode = make_bin_decode(plan.grid, kind == DecodeKind::kBinsZxy);
    decode_bins(here, count, decode, *usable_isas().back().decode, pose_arrays(want.data(), count));
    const std::vector<float> got = runner.decode(plan, lent, count);
    for (size_t i = 0; i < want.size(); ++i) {
        const bool both_nan = std::isnan(want[i]) && std::isnan(got[i]);
        CHECK(both_nan || std::fabs(got[i] - want[i]) <= 1e-5f * std::max(100.0f, std::fabs(want[i])),
              "%d bins, %d faces: value %zu is %g, want %g", bins, count, i, static_cast<double>(got[i]),
              static_cast<double>(want[i]));
    }
    runner.forget();
}

// Matrices and angles, which need no more than one thread per face.
void check_plain(int count, Runner& runner) {
    Random random(static_cast<unsigned>(count));
    std::vector<float> values(static_cast<size_t>(9) * count);
    for (float& v : values) v = random.between(-1, 1);
    const auto* there = reinterpret_cast<const float*>(runner.lend(values.data(), 4 * values.size()));
    const DecodePlan plan{DecodeKind::kMatrix, {}, {1, -1, 1}};
    const HeadView here{values.data(), 9}, lent[3] = {{there, 9}, {there, 9}, {there, 9}};
    std::vector<float> want(15 * count);
    decode_matrix(here, count, plan.factors, pose_arrays(want.data(), count));
    const std::vector<float> got = runner.decode(plan, lent, count);
    for (size_t i = 0; i < want.size(); ++i) {
        const bool both_nan = std::isnan(want[i]) && std::isnan(got[i]);
        CHECK(both_nan || std::fabs(got[i] - want[i]) <= 1e-3f, "%d matrices: value %zu is %g, want %g", count, i,
              static_cast<double>(got[i]), static_cast<double>(want[i]));
    }
    runner.forget();
}

// Crops of any range, some with fill or values that are not finite.
template <typename T>
void check_stretch(OutputType type, int size, Runner& runner) {
    Random random(static_cast<unsigned>(size));
    constexpr bool kPixels = std::is_same_v<T, HalfPixel>;
    const int count = 12, pixels = size * size;
    CropPlan plan = any_plan(random, size);
    plan.output = type;
    if (type == OutputType::kUint8) plan.input = {size, false, {1, 1, 1}, {0, 0, 0}};
    std::vector<T> crops(static_cast<size_t>(kPixels ? 1 : 3) * pixels * count);
    const float ranges[] = {1, 10, 50, 63, 70, 79, 200};
    for (int i = 0; i < count; ++i) {
        T* face = crops.data() + static_cast<size_t>(i) * (kPixels ? 1 : 3) * pixels;
        const float range = ranges[random.below(7)], from = random.between(0, 255.0 - static_cast<double>(range));
        const int filled_rows = random.below(3) == 0 ? random.below(size) : 0;
        for (int at = 0; at < pixels; ++at) {
            const bool filled = at / size < filled_rows;
            const float grey = random.between(0, static_cast<double>(range));
            for (int c = 0; c < 3; ++c) {
                const float level = filled ? plan.crop.fill[c] : from + grey;
                store_value(level * plan.input.gain[c] + plan.input.bias[c], stretch_value(face, pixels, c, at));
            }
        }
        if (i == 3) store_value(INFINITY, stretch_value(face, pixels, 0, pixels / 2));
    }
    std::vector<uint8_t> got(crops.size() * sizeof(T)), marks(count);
    memcpy(got.data(), crops.data(), got.size());
    stretch_crops(stretch_rule(plan.crop, plan.input), crops.data(), count, marks.data());
    const std::vector<float> found = runner.stretch(plan, got, count);
    int stretched = 0;
    for (int i = 0; i < count; ++i) {
        CHECK(found[i] == static_cast<float>(marks[i]), "crop %d of size %d: stretched is %g, want %d", i, size,
              static_cast<double>(found[i]), marks[i]);
        stretched += marks[i];
    }
    CHECK(size < 16 || (stretched > 0 && stretched < count), "%d of %d crops were stretched", stretched, count);
    T* there = reinterpret_cast<T*>(got.data());
    for (int i = 0; i < count; ++i) {
        const size_t at = static_cast<size_t>(i) * (kPixels ? 1 : 3) * pixels;
        if (marks[i] == 0)
            CHECK(memcmp(there + at, crops.data() + at, (kPixels ? 1 : 3) * pixels * sizeof(T)) == 0,
                  "crop %d of size %d was touched", i, size);
        for (int k = 0; k < 3 * pixels; ++k) {
            const float one = load_value(*stretch_value(there + at, pixels, k / pixels, k % pixels));
            const float want = load_value(*stretch_value(crops.data() + at, pixels, k / pixels, k % pixels));
            const float near = type == OutputType::kFloat32 ? 0.01f : type == OutputType::kUint8 ? 1.0f : 0.2f;
            CHECK(one == want || std::fabs(one - want) <= near, "crop %d of size %d: value %d is %g, want %g", i, size,
                  k, static_cast<double>(one), static_cast<double>(want));
        }
    }
}

}  // namespace

void launch_tests(Runner& runner) {
    Random random(7);
    for (int round = 0; round < 200; ++round) {
        const int sizes[] = {1, 3, 4, 8, 15, 16, 17, 32, 47};
        check_boxes(random, sizes[random.below(9)], 60, runner);
        if (round < 40) check_homographies(random, sizes[random.below(9)], runner);
    }
    // Windows that fit the room in some rows only, or not at all; more columns than a tile has.
    for (int round = 0; round < 12; ++round) check_boxes(random, 4 + random.below(6), 2000, runner);
    check_boxes(random, 260, 300, runner);
    check_boxes(random, 516, 90, runner);
    check_unaligned_output(runner);
    for (const int bins : {1, 2, 31, 32, 33, 66, 120, 198}) {
        check_bins(DecodeKind::kBins, bins, 1, runner);
        check_bins(DecodeKind::kBins, bins, 5, runner);
        check_bins(DecodeKind::kBinsZxy, bins, 5, runner);
    }
    for (const int size : {1, 5, 16, 31, 47, 64}) {
        check_stretch<float>(OutputType::kFloat32, size, runner);
        check_stretch<Half>(OutputType::kFloat16, size, runner);
        check_stretch<uint8_t>(OutputType::kUint8, size, runner);
        check_stretch<HalfPixel>(OutputType::kFloat16Hwc8, size, runner);
    }
    check_plain(1, runner);
    check_plain(300, runner);
}

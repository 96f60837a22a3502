// The layers' loops over pixels and channels; compiled once per instruction set under the rule of row_kernels.cpp: no
// standard-library templates. The header of the instruction set has vectors of 16 channels:
//   IntSums, IntWeights, FourBytes: the sums, a step's weights, and a step's four bytes of one pixel in all channels;
//   QuickWeights, QuickBytes: the same of steps whose sums of two products fit into 16 bits;
//   WordWeights, TwoWords: the weights and a pixel's two numbers of 16 bits in place of four bytes;
//   ChannelWords: two numbers of each channel, as words, in place of a pixel's two;
//   FloatSums: all three for floats;
//   kTilePixels, kFloatTilePixels: pixels of a tile in one block, two, .., kMostBlocks, by measurement;
//   kChannelPixels: pixels of a tile where each channel has a kernel.
#include <cstring>

#include "common/hd.h"
#include "network/kernels.h"

#include HPE_NETWORK_HEADER

namespace hpe::HPE_ISA {
namespace {

// What the loops need to know of the numbers: bytes or 16-bit numbers with integer sums, or floats.
struct ByteRule {
    using Sums = IntSums;
    using Packed = IntWeights;
    using Value = FourBytes;
    static constexpr int kWeightBytes = kIntWeightBytes;
    static constexpr bool kQuickFirst = kWeightLayout == WeightLayout::kWords;
    static constexpr int kTaps = 2;  // steps at a time where each channel has a kernel
    static constexpr const int* kPixels = kTilePixels;

    [[gnu::always_inline]] static Sums start(const ConvTask& task, int block) {
        return load_sums(static_cast<const int32_t*>(task.bias) + kBlock * block);
    }
    [[gnu::always_inline]] static void finish(const ConvTask& task, int block, Sums sums, uint8_t* out,
                                              const uint8_t* shortcut) {
        const int at = kBlock * block;
        if (task.scales) return store_scaled(sums, task.scales + at, reinterpret_cast<float*>(out) + at);
        requantise(sums, task.requantise, at, shortcut ? shortcut + at : nullptr,
                   out + (task.requantise.wide ? 2 * at : at));
    }
};

struct WordRule : ByteRule {
    using Packed = WordWeights;
    using Value = TwoWords;
    static constexpr int kWeightBytes = kBlock * 4;
    static constexpr bool kQuickFirst = false;
};

struct FloatRule {
    using Sums = FloatSums;
    using Packed = FloatSums;
    using Value = FloatSums;
    static constexpr int kWeightBytes = kBlock * sizeof(float);
    static constexpr bool kQuickFirst = false;
    static constexpr int kTaps = 1;
    static constexpr const int* kPixels = kFloatTilePixels;

    [[gnu::always_inline]] static Sums start(const ConvTask& task, int block) {
        return load_floats(static_cast<const float*>(task.bias) + kBlock * block);
    }
    [[gnu::always_inline]] static void finish(const ConvTask& task, int block, Sums sums, uint8_t* out,
                                              const uint8_t* shortcut) {
        const int at = kBlock * block;
        if (shortcut) sums = add(sums, load_floats(reinterpret_cast<const float*>(shortcut) + at));
        if (task.relu) sums = positive(sums);
        store_floats(reinterpret_cast<float*>(out) + at, sums);
    }
};

// Walks along the rows of the output, and over the input with it.
struct Walk {
    const ConvTask& task;
    int y, x;
    const uint8_t* input;
    uint8_t* output;

    [[gnu::always_inline]] Walk(const ConvTask& of, int first) : task(of), y(first / of.width), x(first % of.width) {
        find();
    }
    [[gnu::always_inline]] const uint8_t* shortcut() const {
        if (!task.shortcut.data) return nullptr;
        return place(task.shortcut, y >> task.shortcut_shift, x >> task.shortcut_shift);
    }
    [[gnu::always_inline]] void step() {
        input += task.input.pixel_bytes;
        output += task.output.pixel_bytes;
        if (++x < task.width) return;
        x = 0;
        ++y;
        find();
    }

private:
    [[gnu::always_inline]] void find() {
        input = place(task.input, y, x);
        output = place(task.output, y, x);
    }
    [[gnu::always_inline]] static uint8_t* place(const Picture& picture, int row, int column) {
        return picture.data + row * picture.row_bytes + column * picture.pixel_bytes;
    }
};

template <typename Packed, typename Value, int kWeightBytes, typename Sums, int kPixels, int kBlocks>
HPE_HD void add_steps(Sums (&sums)[kPixels][kBlocks], const uint8_t* const (&at)[kPixels], const uint8_t* weights,
                      ptrdiff_t block_bytes, const int32_t* offsets, int steps) {
    for (int k = 0; k < steps; ++k) {
        const ptrdiff_t offset = offsets[k];
        Packed packed[kBlocks];
        for (int b = 0; b < kBlocks; ++b) load_weights(weights + b * block_bytes, &packed[b]);
        for (int p = 0; p < kPixels; ++p) {
            Value value;
            broadcast(at[p] + offset, &value);
            for (int b = 0; b < kBlocks; ++b) accumulate(&sums[p][b], packed[b], value);
        }
        weights += kWeightBytes;
    }
}

template <typename Rule, typename Sums, int kPixels, int kBlocks>
HPE_HD void finish_tile(const Sums (&sums)[kPixels][kBlocks], Walk& walk, int block) {
    for (int p = 0; p < kPixels; ++p, walk.step())
        for (int b = 0; b < kBlocks; ++b) Rule::finish(walk.task, block + b, sums[p][b], walk.output, walk.shortcut());
}

// kPixels pixels from the walk's place on, which then stands behind them, in kBlocks blocks of channels: the sums stay
// in registers.
template <typename Rule, int kPixels, int kBlocks>
HPE_HD void tile(Walk& walk, int block) {
    const ConvTask& task = walk.task;
    const uint8_t* at[kPixels];
    Walk reading = walk;
    for (int p = 0; p < kPixels; ++p, reading.step()) at[p] = reading.input;
    typename Rule::Sums sums[kPixels][kBlocks];
    for (int b = 0; b < kBlocks; ++b) {
        const typename Rule::Sums start = Rule::start(task, block + b);
        for (int p = 0; p < kPixels; ++p) sums[p][b] = start;
    }
    const ptrdiff_t block_bytes = static_cast<ptrdiff_t>(task.steps) * Rule::kWeightBytes;
    const uint8_t* weights = task.weights + block * block_bytes;
    const int32_t* offsets = task.offsets;
    int steps = task.steps;
    if constexpr (Rule::kQuickFirst) {
        const int quick = task.quick[block];
        offsets += static_cast<ptrdiff_t>(block) * steps;
        add_steps<QuickWeights, QuickBytes, kBlock * kStepBytes>(sums, at, weights, block_bytes, offsets, quick);
        weights += static_cast<ptrdiff_t>(quick) * kBlock * kStepBytes;
        offsets += quick;
        steps -= quick;
    }
    add_steps<typename Rule::Packed, typename Rule::Value, Rule::kWeightBytes>(sums, at, weights, block_bytes, offsets,
                                                                               steps);
    finish_tile<Rule>(sums, walk, block);
}

// All pixels in kBlocks blocks of channels. The last tile overlaps the one before it, which writes the same again.
template <typename Rule, int kBlocks>
void all_pixels(const ConvTask& task, int block) {
    constexpr int kPixels = Rule::kPixels[kBlocks - 1];
    const int count = task.width * task.height;
    Walk walk(task, 0);
    if (count < kPixels) {
        for (int i = 0; i < count; ++i) tile<Rule, 1, kBlocks>(walk, block);
        return;
    }
    for (int i = kPixels; i <= count; i += kPixels) tile<Rule, kPixels, kBlocks>(walk, block);
    if (count % kPixels == 0) return;
    Walk last(task, count - kPixels);
    tile<Rule, kPixels, kBlocks>(last, block);
}

template <typename Rule>
void conv(const ConvTask& task) {
    int block = 0;
    // Blocks that are left over when three at a time are taken would run alone, which is slower than two and two.
    while (kMostBlocks >= 3 && (task.blocks - block == 3 || task.blocks - block >= 5)) {
        all_pixels<Rule, kMostBlocks >= 3 ? 3 : 1>(task, block);
        block += 3;
    }
    for (; kMostBlocks >= 2 && task.blocks - block >= 2; block += 2)
        all_pixels<Rule, kMostBlocks >= 2 ? 2 : 1>(task, block);
    for (; block < task.blocks; ++block) all_pixels<Rule, 1>(task, block);
}

HPE_HD void load_taps(const uint8_t* at, const int32_t* offsets, float, FloatSums* values) {
    *values = load_floats(reinterpret_cast<const float*>(at + offsets[0]));
}
template <typename Number>
HPE_HD void load_taps(const uint8_t* at, const int32_t* offsets, Number, ChannelWords* values) {
    load_pairs(reinterpret_cast<const Number*>(at + offsets[0]), reinterpret_cast<const Number*>(at + offsets[1]),
               values);
}

// A tile where each channel has a kernel.
template <typename Rule, typename Packed, typename Values, typename Number, int kPixels>
HPE_HD void channel_tile(Walk& walk, int block) {
    const DepthwiseTask& task = walk.task;
    const ptrdiff_t channel_bytes = static_cast<ptrdiff_t>(block) * kBlock * static_cast<ptrdiff_t>(sizeof(Number));
    const uint8_t* at[kPixels];
    Walk reading = walk;
    for (int p = 0; p < kPixels; ++p, reading.step()) at[p] = reading.input + channel_bytes;
    const int groups = task.steps / Rule::kTaps;
    const uint8_t* weights = task.weights + static_cast<ptrdiff_t>(block) * groups * kBlock * kStepBytes;
    typename Rule::Sums sums[kPixels][1];
    for (int p = 0; p < kPixels; ++p) sums[p][0] = Rule::start(task, block);
    for (int k = 0; k < groups; ++k, weights += kBlock * kStepBytes) {
        Packed packed;
        load_weights(weights, &packed);
        for (int p = 0; p < kPixels; ++p) {
            Values values;
            load_taps(at[p], task.offsets + k * Rule::kTaps, Number{}, &values);
            accumulate(&sums[p][0], packed, values);
        }
    }
    finish_tile<Rule>(sums, walk, block);
}

template <typename Rule, typename Packed, typename Values, typename Number>
void depthwise(const DepthwiseTask& task) {
    const int count = task.width * task.height;
    for (int block = 0; block < task.blocks; ++block) {
        Walk walk(task, 0);
        int i = 0;
        for (; i + kChannelPixels <= count; i += kChannelPixels)
            channel_tile<Rule, Packed, Values, Number, kChannelPixels>(walk, block);
        for (; i < count; ++i) channel_tile<Rule, Packed, Values, Number, 1>(walk, block);
    }
}

template <typename Number>
void max_pool(const DepthwiseTask& task) {
    Walk walk(task, 0);
    for (int i = 0; i < task.width * task.height; ++i, walk.step()) {
        for (int block = 0; block < task.blocks; ++block) {
            const size_t at = static_cast<size_t>(block) * kBlock * sizeof(Number);
            Number most[kBlock];
            memcpy(most, walk.input + at + task.offsets[0], sizeof most);
            for (int k = 1; k < task.steps; ++k) {
                const Number* numbers = reinterpret_cast<const Number*>(walk.input + at + task.offsets[k]);
                for (int c = 0; c < kBlock; ++c) most[c] = numbers[c] > most[c] ? numbers[c] : most[c];
            }
            memcpy(walk.output + at, most, sizeof most);
        }
    }
}

}  // namespace

extern const NetworkKernels network_kernels = {
    conv<ByteRule>,
    conv<WordRule>,
    conv<FloatRule>,
    depthwise<ByteRule, WordWeights, ChannelWords, uint8_t>,
    depthwise<WordRule, WordWeights, ChannelWords, int16_t>,
    depthwise<FloatRule, FloatSums, FloatSums, float>,
    max_pool<uint8_t>,
    max_pool<float>,
    kWeightLayout,
    kSignedBytes,
};

}  // namespace hpe::HPE_ISA

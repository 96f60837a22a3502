// The layers' loops over pixels and channels; compiled once per instruction set under the rule of row_kernels.cpp: no
// standard-library templates. The header of the instruction set has vectors of 16 channels:
//   IntSums, IntWeights, FourBytes: the sums, a step's weights, and a step's four bytes of one pixel in all channels;
//   WordWeights, TwoWords: the weights and a pixel's two numbers of 16 bits in place of four bytes;
//   FloatSums: all three for floats;
//   kTilePixels, kFloatTilePixels: pixels of a tile in one block, two, .., kMostBlocks, by measurement.
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
};

struct FloatRule {
    using Sums = FloatSums;
    using Packed = FloatSums;
    using Value = FloatSums;
    static constexpr int kWeightBytes = kBlock * sizeof(float);
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

struct Pixel {
    const uint8_t* input;
    uint8_t* output;
    const uint8_t* shortcut;
};

// Walks along the rows of the output, and over the input with it.
struct Walk {
    const ConvTask& task;
    int y, x;

    [[gnu::always_inline]] Walk(const ConvTask& of, int first) : task(of), y(first / of.width), x(first % of.width) {}
    [[gnu::always_inline]] Pixel pixel() const {
        const int shift = task.shortcut_shift;
        return {place(task.input, y, x), place(task.output, y, x),
                task.shortcut.data ? place(task.shortcut, y >> shift, x >> shift) : nullptr};
    }
    [[gnu::always_inline]] static uint8_t* place(const Picture& picture, int row, int column) {
        return picture.data + row * picture.row_bytes + column * picture.pixel_bytes;
    }
    [[gnu::always_inline]] void step() {
        if (++x < task.width) return;
        x = 0;
        ++y;
    }
};

// kPixels pixels from `first` on, in kBlocks blocks of channels: the sums stay in registers.
template <typename Rule, int kPixels, int kBlocks>
HPE_HD void tile(const ConvTask& task, int first, int block) {
    const uint8_t* at[kPixels];
    Walk reading(task, first);
    for (int p = 0; p < kPixels; ++p, reading.step()) at[p] = reading.pixel().input;
    typename Rule::Sums sums[kPixels][kBlocks];
    for (int b = 0; b < kBlocks; ++b) {
        const typename Rule::Sums start = Rule::start(task, block + b);
        for (int p = 0; p < kPixels; ++p) sums[p][b] = start;
    }
    const ptrdiff_t block_bytes = static_cast<ptrdiff_t>(task.steps) * Rule::kWeightBytes;
    const uint8_t* weights = task.weights + block * block_bytes;
    for (int k = 0; k < task.steps; ++k) {
        const ptrdiff_t offset = task.offsets[k];
        typename Rule::Packed packed[kBlocks];
        for (int b = 0; b < kBlocks; ++b) load_weights(weights + b * block_bytes, &packed[b]);
        for (int p = 0; p < kPixels; ++p) {
            typename Rule::Value value;
            broadcast(at[p] + offset, &value);
            for (int b = 0; b < kBlocks; ++b) accumulate(&sums[p][b], packed[b], value);
        }
        weights += Rule::kWeightBytes;
    }
    Walk writing(task, first);
    for (int p = 0; p < kPixels; ++p, writing.step()) {
        const Pixel pixel = writing.pixel();
        for (int b = 0; b < kBlocks; ++b) Rule::finish(task, block + b, sums[p][b], pixel.output, pixel.shortcut);
    }
}

// All pixels in kBlocks blocks of channels. The last tile overlaps the one before it, which writes the same again.
template <typename Rule, int kBlocks>
void all_pixels(const ConvTask& task, int block) {
    constexpr int kPixels = Rule::kPixels[kBlocks - 1];
    const int count = task.width * task.height;
    if (count < kPixels) {
        for (int i = 0; i < count; ++i) tile<Rule, 1, kBlocks>(task, i, block);
        return;
    }
    for (int i = 0; i < count; i += kPixels)
        tile<Rule, kPixels, kBlocks>(task, i < count - kPixels ? i : count - kPixels, block);
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

HPE_HD void add_products(FloatSums* sums, const float* weights, const float* values) {
    accumulate(sums, load_floats(weights), load_floats(values));
}

template <typename Rule, typename Number, typename Weight>
void depthwise(const DepthwiseTask& task) {
    constexpr int kWeightBytes = kBlock * sizeof(Weight);
    for (int block = 0; block < task.blocks; ++block) {
        const uint8_t* weights = task.weights + static_cast<ptrdiff_t>(block) * task.steps * kWeightBytes;
        Walk walk(task, 0);
        for (int i = 0; i < task.width * task.height; ++i, walk.step()) {
            const Pixel pixel = walk.pixel();
            const uint8_t* from = pixel.input + static_cast<size_t>(block) * kBlock * sizeof(Number);
            typename Rule::Sums sums = Rule::start(task, block);
            for (int k = 0; k < task.steps; ++k)
                add_products(&sums, reinterpret_cast<const Weight*>(weights + k * kWeightBytes),
                             reinterpret_cast<const Number*>(from + task.offsets[k]));
            Rule::finish(task, block, sums, pixel.output, pixel.shortcut);
        }
    }
}

template <typename Number>
void max_pool(const DepthwiseTask& task) {
    Walk walk(task, 0);
    for (int i = 0; i < task.width * task.height; ++i, walk.step()) {
        const Pixel pixel = walk.pixel();
        for (int block = 0; block < task.blocks; ++block) {
            const size_t at = static_cast<size_t>(block) * kBlock * sizeof(Number);
            Number most[kBlock];
            __builtin_memcpy(most, pixel.input + at + task.offsets[0], sizeof most);
            for (int k = 1; k < task.steps; ++k) {
                const Number* numbers = reinterpret_cast<const Number*>(pixel.input + at + task.offsets[k]);
                for (int c = 0; c < kBlock; ++c) most[c] = numbers[c] > most[c] ? numbers[c] : most[c];
            }
            __builtin_memcpy(pixel.output + at, most, sizeof most);
        }
    }
}

}  // namespace

extern const NetworkKernels network_kernels = {
    conv<ByteRule>,
    conv<WordRule>,
    conv<FloatRule>,
    depthwise<ByteRule, uint8_t, int16_t>,
    depthwise<WordRule, int16_t, int16_t>,
    depthwise<FloatRule, float, float>,
    max_pool<uint8_t>,
    max_pool<float>,
    kWeightLayout,
    kSignedBytes,
};

}  // namespace hpe::HPE_ISA

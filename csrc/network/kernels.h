// The inner loops of the network executor, once per instruction set: network_kernels.cpp is compiled several times,
// each into its own namespace, and reached only through these tables. docs/native.md draws the layout of the data.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hpe {

// Channels of a block: of a tensor's pixel, and of a layer's packed weights.
constexpr int kBlock = 16;

// Bytes that a step multiplies: four 8-bit numbers, two of 16 bits or one float of a pixel.
constexpr int kStepBytes = 4;

// How a step's weights of a block lie: [16 channels][4 bytes] or, as 16-bit numbers, [2][16 channels][2], first those
// of the bytes 0 and 2. In kWords the steps of each block whose sums of two products fit into 16 bits come first, as
// bytes. Those of two 16-bit numbers are [16 channels][2] of 16 bits, floats [16 channels].
enum class WeightLayout { kBytes, kWords };

// How sums of 32 bits become bytes, or 16-bit numbers where the output is wide; export/native/integers.py has the
// formula.
struct Requantise {
    const int32_t* shifts;       // [channels]
    const int16_t* multipliers;  // [channels]
    int16_t offset;              // 16 * the output's zero point + 8
    int16_t shortcut_zero;
    int16_t shortcut_multiplier;
    bool wide;  // the output
    bool relu;  // of a wide output; that of bytes has its zero point at 0
};

// A pixel lies pixel_bytes after its neighbour and row_bytes below the one above it.
struct Picture {
    uint8_t* data;
    ptrdiff_t row_bytes;
    ptrdiff_t pixel_bytes;
};

// One layer on one face. Sum (pixel, channel) = bias + the sum over steps of the bytes at `offsets[step]` after the
// pixel's place in the input times the weights.
struct ConvTask {
    Picture input;           // at the upper left byte that output pixel 0 reads; a step of the stride per pixel
    const int32_t* offsets;  // [steps]; in kWords [blocks][steps]
    int steps;
    const int32_t* quick;    // in kWords: [blocks] steps that come first
    const uint8_t* weights;  // [blocks][steps][16 channels], aligned to 64 bytes
    const void* bias;        // int32 or float [blocks][16]
    int width, height;       // of the output
    int blocks;
    Picture output;
    Picture shortcut;       // added; its data is null where there is none
    int shortcut_shift;     // 1: each pixel of it stands for 2 x 2
    bool relu;              // floats
    Requantise requantise;  // integers
    const float* scales;    // integers, of a float output [blocks][16]; else null
};

// A kernel per channel: step k reads the channel's own number at offsets[k]. Weights are float [blocks][steps][16], or
// int16 [blocks][steps / 2][16][2]: integers are taken two steps at a time, and their number is even.
using DepthwiseTask = ConvTask;

struct NetworkKernels {
    void (*conv_bytes)(const ConvTask& task);
    void (*conv_words)(const ConvTask& task);  // of a wide input
    void (*conv_floats)(const ConvTask& task);
    void (*depthwise_bytes)(const DepthwiseTask& task);
    void (*depthwise_words)(const DepthwiseTask& task);
    void (*depthwise_floats)(const DepthwiseTask& task);
    void (*max_pool_bytes)(const DepthwiseTask& task);  // without weights
    void (*max_pool_floats)(const DepthwiseTask& task);
    WeightLayout layout;
    bool signed_bytes;  // conv_bytes takes its input 128 lower: the bias has 128 times the sum of the weights more
};

struct NetworkIsa {
    const char* name;
    const NetworkKernels* kernels;
};

}  // namespace hpe

// A .hpe file in memory, checked: nothing that it says leads out of it or overflows. docs/native.md has the format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace hpe {

struct FileTensor {
    int channels;
    int zero_point;
    bool wide;  // 16-bit numbers in place of bytes
};

struct FileLayer {
    bool relu, float_output, depthwise;
    bool max_pool;       // the largest number under the kernel; no weights
    bool half_shortcut;  // the shortcut has half the height and width, each pixel stands for 2 x 2
    int input, output;
    int shortcut;  // -1: none
    int kernel_height, kernel_width, stride, pad;
    int shortcut_multiplier;
    int inputs;  // channels of a kernel: 1 if depthwise or a maximum
    // Arrays of the file, at multiples of 64 bytes. Integers or floats [outputs][inputs][height][width] and [outputs].
    const uint8_t* weights;
    const uint8_t* bias;
    const uint8_t* multipliers;  // integers: int16, or float of a float output
    const uint8_t* shifts;       // integers: int32 unless the output is float
};

// Columns of the pixels of a float tensor.
struct FileOutput {
    int tensor;
    int first, columns;
    bool sigmoid;
};

struct NetworkFile {
    bool integers;
    int size;      // side of the picture; 0: height and width are any multiples of `multiple`
    int multiple;  // 0: the size is fixed
    uint8_t pad_levels[3];
    std::vector<FileTensor> tensors;  // the picture first
    std::vector<FileLayer> layers;
    std::vector<FileOutput> outputs;
    std::string spec;
    std::string answers;  // to the pictures of hpe_edge/backends/native/self_check.py; may be empty
};

struct TensorSize {
    int height, width;
};

// Sizes of all tensors for a picture. Throws std::invalid_argument where a layer does not fit them, or they are too
// large.
std::vector<TensorSize> tensor_sizes(const NetworkFile& file, int height, int width);

// Reads a file that lies at a multiple of 64 bytes and outlives the result. Throws std::invalid_argument with the
// fault.
NetworkFile read_network(const uint8_t* data, size_t bytes);

// Calls `use` with a file that lies anywhere. Mapped files lie at the beginning of a page; others may have to be
// copied.
template <typename Use>
void with_network(const uint8_t* data, size_t bytes, const Use& use) {
    std::vector<uint8_t> copy;
    if (reinterpret_cast<uintptr_t>(data) % 64 != 0) {
        copy.resize(bytes + 64);
        uint8_t* aligned = copy.data() + (64 - reinterpret_cast<uintptr_t>(copy.data()) % 64) % 64;
        if (bytes > 0) std::memcpy(aligned, data, bytes);
        data = aligned;
    }
    use(read_network(data, bytes));
}

}  // namespace hpe

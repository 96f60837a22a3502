// A network that is ready to run: weights packed for an instruction set, and the buffers of one caller.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "network/kernels.h"
#include "network/network_file.h"
#include "network/network_layout.h"

namespace hpe {

struct FreeAligned {
    void operator()(void* p) const;
};
// Zeros, at a multiple of 64 bytes.
using Bytes = std::unique_ptr<uint8_t[], FreeAligned>;

// Weights of a layer as its kernel reads them.
struct PackedLayer {
    Bytes weights, bias, multipliers, shifts, scales;
    std::vector<int32_t> order;  // kWords: [blocks][steps], the steps in the order of the weights; else empty
    std::vector<int32_t> quick;  // kWords: [blocks]
};

// Rows and columns of an output for one picture.
struct OutputSize {
    int rows, columns;
};

class Network {
public:
    // Copies all that it needs of the file.
    Network(const NetworkFile& file, const NetworkIsa& isa);

    bool integers() const { return file_.integers; }
    // Side of the picture; 0: height and width are any multiples of `multiple`.
    int size() const { return file_.size; }
    int multiple() const { return file_.multiple; }
    // Throws std::invalid_argument where the network does not take such a picture.
    std::vector<OutputSize> output_sizes(int height, int width) const;
    // Values of each output of a network of one size.
    std::vector<int> columns() const;

private:
    friend class Arena;

    PackedLayer pack(const FileLayer& layer, const uint8_t* weights) const;

    NetworkFile file_;  // its arrays are not used after the constructor
    const NetworkKernels* kernels_;
    std::vector<PackedLayer> layers_;
};

// Buffers of one caller at a time, for one size of the picture.
class Arena {
public:
    explicit Arena(std::shared_ptr<const Network> network);
    Arena(std::shared_ptr<const Network> network, int height, int width);

    // One picture: [3][height][width] bytes or floats, and [rows][columns] of each output.
    void run(const uint8_t* picture, float* const* outputs);

private:
    ConvTask task_of(size_t layer) const;
    Picture interior(int tensor, int pad) const;
    void fill_border(int tensor);
    void load(const uint8_t* picture);
    void store(const FileOutput& output, float* to) const;

    std::shared_ptr<const Network> network_;
    Layout layout_;
    Bytes buffer_;
    std::vector<int> steps_;                     // of each layer
    std::vector<std::vector<int32_t>> offsets_;  // of these, as the layer's kernel takes them
    std::vector<ConvTask> tasks_;
};

// `count` pictures by as many threads as there are arenas, at most. `columns`: values of each output of a picture.
void run_faces(const std::vector<Arena*>& arenas, const uint8_t* pictures, size_t picture_bytes, int count,
               float* const* outputs, const int* columns, size_t output_count);

// Best first; only what the processor at hand can run.
std::vector<NetworkIsa> usable_network_isas();

}  // namespace hpe

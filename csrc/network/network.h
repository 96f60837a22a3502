// A network that is ready to run: weights packed for an instruction set, and the buffers of one caller.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "network/kernels.h"
#include "network/network_file.h"

namespace hpe {

struct FreeAligned {
    void operator()(void* p) const;
};
// Zeros, at a multiple of 64 bytes.
using Bytes = std::unique_ptr<uint8_t[], FreeAligned>;

// Weights of a layer as its kernel reads them, and where the steps read the input.
struct PackedLayer {
    Bytes weights, bias, multipliers, shifts, scales;
    std::vector<int32_t> offsets;
};

// How a tensor lies in the buffers: pixels of whole blocks of channels with a border around them; the picture as three
// planes with a border.
struct TensorPlace {
    size_t at;  // of the upper left corner of the border
    int border;
    ptrdiff_t row_bytes, pixel_bytes;
    ptrdiff_t plane_bytes;  // of the picture
};

class Network {
public:
    // Copies all that it needs of the file.
    Network(const NetworkFile& file, const NetworkIsa& isa);

    bool integers() const { return file_.integers; }
    int size() const { return file_.size; }
    // Values of each output.
    std::vector<int> columns() const;

private:
    friend class Arena;

    void place_tensors();
    PackedLayer pack(const FileLayer& layer, const uint8_t* weights) const;
    // Bytes of a number of a tensor.
    int number_bytes(int tensor) const;

    NetworkFile file_;  // its arrays are not used after the constructor
    const NetworkKernels* kernels_;
    std::vector<TensorPlace> places_;
    size_t buffer_bytes_ = 0;
    std::vector<PackedLayer> layers_;
};

// Buffers of one caller at a time.
class Arena {
public:
    explicit Arena(std::shared_ptr<const Network> network);

    // One face: [3][size][size] bytes or floats, and a row of each output.
    void run(const uint8_t* picture, float* const* outputs);

private:
    ConvTask task_of(size_t layer) const;
    Picture interior(int tensor, int pad) const;
    void fill_borders();
    void load(const uint8_t* picture);

    std::shared_ptr<const Network> network_;
    Bytes buffer_;
    std::vector<ConvTask> tasks_;
};

// `count` faces by as many threads as there are arenas, at most.
void run_faces(const std::vector<Arena*>& arenas, const uint8_t* pictures, size_t picture_bytes, int count,
               float* const* outputs, const int* columns, size_t output_count);

// Best first; only what the processor at hand can run.
std::vector<NetworkIsa> usable_network_isas();

}  // namespace hpe

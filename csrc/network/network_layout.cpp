#include "network/network_layout.h"

#include <algorithm>

#include "network/kernels.h"

namespace hpe {
namespace {

// Layers before which a tensor's memory is not free: from the one that writes it to the last that reads it.
struct Life {
    size_t first, last;
};

std::vector<Life> lives_of(const NetworkFile& file) {
    std::vector<Life> lives(file.tensors.size());
    for (size_t i = 0; i < file.layers.size(); ++i) {
        const FileLayer& layer = file.layers[i];
        lives[layer.output] = {i, i};
        lives[layer.input].last = i;
        if (layer.shortcut >= 0) lives[layer.shortcut].last = i;
    }
    for (const FileOutput& output : file.outputs) lives[output.tensor].last = file.layers.size();
    return lives;
}

size_t aligned(ptrdiff_t bytes) {
    return (static_cast<size_t>(bytes) + kAlign - 1) / kAlign * kAlign;
}

// Bytes of a tensor, whose place gets all but its address. A step of bytes reads up to three more than there are.
size_t measure(TensorPlace& place, const FileTensor& tensor, TensorSize size, int number, bool picture) {
    const ptrdiff_t rows = size.height + 2 * place.border, columns = size.width + 2 * place.border;
    if (picture) {
        place.pixel_bytes = number;
        place.row_bytes = (columns * number + 4 + 15) / 16 * 16;
        place.plane_bytes = rows * place.row_bytes;
        return aligned(3 * place.plane_bytes) + kAlign;
    }
    place.pixel_bytes = static_cast<ptrdiff_t>(blocks_of(tensor.channels)) * kBlock * number;
    place.row_bytes = columns * place.pixel_bytes;
    return aligned(rows * place.row_bytes) + kAlign;
}

}  // namespace

int blocks_of(int channels) {
    return (channels + kBlock - 1) / kBlock;
}

int number_bytes(const NetworkFile& file, int tensor) {
    for (const FileOutput& output : file.outputs)
        if (output.tensor == tensor) return 4;
    return !file.integers ? 4 : file.tensors[tensor].wide ? 2 : 1;
}

Layout lay_out(const NetworkFile& file, int height, int width) {
    Layout layout{tensor_sizes(file, height, width), std::vector<TensorPlace>(file.tensors.size()), 0};
    const std::vector<Life> lives = lives_of(file);
    std::vector<size_t> bytes(file.tensors.size());
    for (const FileLayer& layer : file.layers)
        layout.places[layer.input].border = std::max(layout.places[layer.input].border, layer.pad);
    std::vector<int> order = {0};
    for (const FileLayer& layer : file.layers) order.push_back(layer.output);
    std::vector<int> placed;  // by address
    for (const int t : order) {
        TensorPlace& place = layout.places[t];
        bytes[t] = measure(place, file.tensors[t], layout.sizes[t], number_bytes(file, t), t == 0);
        // The first gap between the tensors that live at the same time.
        for (const int other : placed) {
            if (lives[other].last < lives[t].first) continue;
            if (place.at + bytes[t] <= layout.places[other].at) break;
            place.at = std::max(place.at, layout.places[other].at + bytes[other]);
        }
        for (const int other : placed) {
            TensorPlace& its = layout.places[other];
            if (its.at < place.at + bytes[t] && place.at < its.at + bytes[other]) its.shares = place.shares = true;
        }
        placed.insert(
            std::find_if(placed.begin(), placed.end(), [&](int other) { return layout.places[other].at > place.at; }),
            t);
        layout.bytes = std::max(layout.bytes, place.at + bytes[t]);
    }
    return layout;
}

}  // namespace hpe

// Where a network's tensors lie in the buffers of a caller, for one size of the picture.
#pragma once

#include <cstddef>
#include <vector>

#include "network/network_file.h"

namespace hpe {

// Pixels of whole blocks of channels with a border around them; the picture as three planes with a border.
struct TensorPlace {
    size_t at;  // of the upper left corner of the border
    int border;
    ptrdiff_t row_bytes, pixel_bytes;
    ptrdiff_t plane_bytes;  // of the picture
    bool shares;            // its memory is another tensor's before or after
};

struct Layout {
    std::vector<TensorSize> sizes;
    std::vector<TensorPlace> places;
    size_t bytes;
};

constexpr size_t kAlign = 64;

int blocks_of(int channels);

// Bytes of a number of a tensor.
int number_bytes(const NetworkFile& file, int tensor);

// Memory is given to the next tensor once the last layer that reads a tensor has run. Throws std::invalid_argument
// where the network does not take such a picture.
Layout lay_out(const NetworkFile& file, int height, int width);

}  // namespace hpe

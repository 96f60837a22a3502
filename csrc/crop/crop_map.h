// The way back from a crop to the frame.
#pragma once

#include "crop/turned_crop.h"

namespace hpe {

// From the crop, whose corners are (0, 0) and (1, 1), to the frame's pixels, in which boxes are given; row-major.
struct CropMap {
    double m[6];
};

HPE_HOST CropMap crop_map(const Box& box, const Turn& turn, const CropRule& crop, int size, int width, int height) {
    if (is_turned(turn)) {
        const TurnedWindow w = turned_window(box, turn, crop, size);
        // w.x and w.y are the centre of the first output.
        return {{w.column_x * size, w.row_x * size, w.x - 0.5 * (w.column_x + w.row_x), w.column_y * size,
                 w.row_y * size, w.y - 0.5 * (w.column_y + w.row_y)}};
    }
    const Window window = crop_window(box, crop, width, height);
    return {{window.x.to - window.x.from, 0.0, window.x.from, 0.0, window.y.to - window.y.from, window.y.from}};
}

}  // namespace hpe

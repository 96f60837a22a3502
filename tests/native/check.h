// The least that a test needs: CHECK counts, reports and goes on; the process ends with the number of failures.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

#include "crop/frame.h"

inline int& failures() {
    static int count = 0;
    return count;
}

#define CHECK(condition, ...)                                               \
    do {                                                                    \
        if (!(condition)) {                                                 \
            if (++failures() <= 20) {                                       \
                std::printf("%s:%d: %s: ", __FILE__, __LINE__, #condition); \
                std::printf(__VA_ARGS__);                                   \
                std::printf("\n");                                          \
            }                                                               \
        }                                                                   \
    } while (0)

// A frame in a heap block of exactly its own size, so that the address sanitizer sees every byte too many.
struct TestFrame {
    std::vector<uint8_t> luma, chroma;
    hpe::YuvRule yuv;
    hpe::Frame view{};

    TestFrame(int width, int height, hpe::PixelFormat format, int padding, std::mt19937& random) {
        const int channels = format == hpe::PixelFormat::kColor ? 3 : format == hpe::PixelFormat::kColor4 ? 4 : 1;
        yuv = static_cast<hpe::YuvRule>(random() % 4);
        const int stride = width * channels + padding;
        luma.resize(static_cast<size_t>(stride) * (height - 1) + static_cast<size_t>(width) * channels);
        for (uint8_t& v : luma) v = static_cast<uint8_t>(random());
        view = {luma.data(), nullptr, stride, 0, width, height, format, yuv};
        if (format == hpe::PixelFormat::kNv12) {
            chroma.resize(static_cast<size_t>(stride) * (height / 2 - 1) + width);
            for (uint8_t& v : chroma) v = static_cast<uint8_t>(random());
            view.chroma = chroma.data();
            view.chroma_row_stride_bytes = stride;
        }
    }

    void turn_bottom_up() {
        view.data += (view.height - 1) * view.row_stride_bytes;
        view.row_stride_bytes = -view.row_stride_bytes;
    }
};

inline hpe::Bgr pixel_of(const hpe::Frame& f, int x, int y) {
    return hpe::any_pixel_at(f, x, y);
}

void batch_tests();
void crop_tests();
void warp_tests();
void turned_tests();
void decode_tests();
void emulated_tests();
void features_tests();
void network_tests();
void same_bits_tests();
void region_tests();

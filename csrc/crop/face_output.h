// Where the kernels write a face, and how levels become the network's values.
#pragma once

#include <cstddef>

#include "common/half.h"
#include "crop/crop_normalize.h"

namespace hpe {

constexpr int kRun = 4;  // outputs that a thread of the direct crop owns: 16 bytes of float32

template <typename T>
struct alignas(kRun * sizeof(T)) Run {
    T v[kRun];
};

// Channel c of the frame is the network's `plane`. Indices that the compiler knows: arrays among a kernel's parameters
// are copied before they are indexed.
struct ChannelRule {
    int plane;
    float gain, bias;
};

HPE_HD ChannelRule channel_rule(const InputRule& input, bool swap_colors, int c) {
    return swap_colors ? ChannelRule{2 - c, input.gain[2 - c], input.bias[2 - c]}
                       : ChannelRule{c, input.gain[c], input.bias[c]};
}

HPE_HD float channel_of(const Bgr& level, int c) {
    return c == 0 ? level.b : c == 1 ? level.g : level.r;
}

// Planes of one face.
template <typename T>
struct FaceOutput {
    T* out;  // [3, size, size]
    const InputRule& input;
    bool swap_colors;

    HPE_HD_METHOD FaceOutput(T* faces, int face, const InputRule& rule, bool swap)
        : out(faces + static_cast<size_t>(face) * 3 * rule.size * rule.size), input(rule), swap_colors(swap) {}

    // `levels` [kRun] in the frame's channel order; the first `count` are stored.
    HPE_HD_METHOD void store_run(int row, int column, const Bgr* levels, int count) const {
        const bool whole = input.size % kRun == 0 && reinterpret_cast<uintptr_t>(out) % sizeof(Run<T>) == 0;
        HPE_UNROLL
        for (int c = 0; c < 3; ++c) {
            const ChannelRule rule = channel_rule(input, swap_colors, c);
            Run<T> run;
            HPE_UNROLL
            for (int i = 0; i < kRun; ++i) store_value(channel_of(levels[i], c) * rule.gain + rule.bias, run.v + i);
            T* at = out + index_of(rule.plane, row, column);
            if (whole)
                *reinterpret_cast<Run<T>*>(at) = run;
            else
                for (int i = 0; i < count; ++i) at[i] = run.v[i];
        }
    }

    HPE_HD_METHOD void store(int row, int column, const Bgr& level) const {
        HPE_UNROLL
        for (int c = 0; c < 3; ++c) {
            const ChannelRule rule = channel_rule(input, swap_colors, c);
            store_value(channel_of(level, c) * rule.gain + rule.bias, out + index_of(rule.plane, row, column));
        }
    }

private:
    HPE_HD_METHOD uint32_t index_of(int plane, int row, int column) const {
        return static_cast<uint32_t>((plane * input.size + row) * input.size + column);
    }
};

// Pixels of eight channels, the last five 0.
template <>
struct FaceOutput<HalfPixel> {
    HalfPixel* out;  // [size, size]
    const InputRule& input;
    bool swap_colors;

    HPE_HD_METHOD FaceOutput(HalfPixel* faces, int face, const InputRule& rule, bool swap)
        : out(faces + static_cast<size_t>(face) * rule.size * rule.size), input(rule), swap_colors(swap) {}

    HPE_HD_METHOD void store_run(int row, int column, const Bgr* levels, int count) const {
        HPE_UNROLL
        for (int i = 0; i < kRun; ++i)
            if (i < count) store(row, column + i, levels[i]);
    }

    HPE_HD_METHOD void store(int row, int column, const Bgr& level) const {
        HalfPixel pixel{};
        HPE_UNROLL
        for (int plane = 0; plane < 3; ++plane) {
            const float value = swap_colors ? channel_of(level, 2 - plane) : channel_of(level, plane);
            store_value(value * input.gain[plane] + input.bias[plane], pixel.v + plane);
        }
        out[static_cast<uint32_t>(row * input.size + column)] = pixel;
    }
};

}  // namespace hpe

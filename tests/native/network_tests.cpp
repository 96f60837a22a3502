// The network executor: every path against a plain loop, to the bit in integers, with buffers that end where the data
// ends; and files that are damaged.
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <random>
#include <stdexcept>
#include <vector>

#include "check.h"
#include "network/network.h"

namespace {

using namespace hpe;

struct Arrays {
    std::vector<int8_t> bytes;
    std::vector<float> floats;
    std::vector<int32_t> bias, shifts;
    std::vector<float> float_bias, scales;
    std::vector<int16_t> multipliers;
};

// A network of a convolution, one that adds a shortcut, a depthwise one over the whole picture and a head.
struct Case {
    NetworkFile file{};
    std::vector<Arrays> arrays = std::vector<Arrays>(4);

    Case(std::mt19937& random, bool integers, int channels) {
        const auto draw = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
        file.integers = integers;
        file.size = 9;
        for (uint8_t& level : file.pad_levels) level = static_cast<uint8_t>(integers ? draw(0, 255) : 0);
        file.tensors = {{3, 0, false, 9, 9},
                        {channels, integers ? draw(0, 255) : 0, false, 5, 5},
                        {channels, 0, integers, 5, 5},
                        {channels, 0, integers, 1, 1},
                        {21, 0, false, 1, 1}};
        const int kernels[4] = {3, 3, 5, 1};
        for (int i = 0; i < 4; ++i) {
            FileLayer layer{};
            layer.input = i;
            layer.output = i + 1;
            layer.shortcut = i == 1 ? 1 : -1;
            layer.kernel_height = layer.kernel_width = kernels[i];
            layer.stride = i == 0 ? 2 : 1;
            layer.pad = i < 2 ? 1 : 0;
            layer.depthwise = i == 2;
            layer.float_output = i == 3;
            layer.relu = i == 1;
            layer.inputs = layer.depthwise ? 1 : file.tensors[i].channels;
            layer.shortcut_multiplier = draw(0, 32767);
            fill(layer, arrays[i], file.tensors[i + 1].channels, draw);
            file.layers.push_back(layer);
        }
        file.outputs = {4};
    }

    template <typename Draw>
    void fill(FileLayer& layer, Arrays& a, int outputs, const Draw& draw) {
        const int count = layer.inputs * layer.kernel_height * layer.kernel_width;
        const int shift = std::max(0, static_cast<int>(std::log2(255 * 70 * std::sqrt(count))) - 13);
        for (int i = 0; i < outputs * count; ++i) {
            a.bytes.push_back(static_cast<int8_t>(draw(-127, 127)));
            a.floats.push_back(static_cast<float>(draw(-1000, 1000)) / 1000.0f);
        }
        for (int o = 0; o < outputs; ++o) {
            a.bias.push_back(draw(-100000, 100000));
            a.float_bias.push_back(static_cast<float>(draw(-1000, 1000)) / 1000.0f);
            a.multipliers.push_back(static_cast<int16_t>(draw(1 << 13, 1 << 14)));
            a.shifts.push_back(shift + draw(0, 2));
            a.scales.push_back(static_cast<float>(draw(1, 1000)) * 1e-6f);
        }
        const auto bytes = [](const auto& v) { return reinterpret_cast<const uint8_t*>(v.data()); };
        layer.weights = file.integers ? bytes(a.bytes) : bytes(a.floats);
        layer.bias = file.integers ? bytes(a.bias) : bytes(a.float_bias);
        if (!file.integers) return;
        layer.multipliers = layer.float_output ? bytes(a.scales) : bytes(a.multipliers);
        layer.shifts = layer.float_output ? nullptr : bytes(a.shifts);
    }
};

int64_t clamped(int64_t v, int64_t low, int64_t high) {
    return v < low ? low : v > high ? high : v;
}

// Every tensor as [channels][height][width] numbers, by the definition.
std::vector<double> plain_run(const Case& net, const std::vector<double>& picture) {
    std::vector<std::vector<double>> values = {picture};
    for (size_t l = 0; l < net.file.layers.size(); ++l) {
        const FileLayer& layer = net.file.layers[l];
        const FileTensor &from = net.file.tensors[layer.input], &to = net.file.tensors[layer.output];
        const Arrays& a = net.arrays[l];
        std::vector<double> out;
        for (int o = 0; o < to.channels; ++o)
            for (int y = 0; y < to.height; ++y)
                for (int x = 0; x < to.width; ++x) {
                    double sum = net.file.integers ? a.bias[o] : static_cast<double>(a.float_bias[o]);
                    for (int c = 0; c < layer.inputs; ++c)
                        for (int i = 0; i < layer.kernel_height; ++i)
                            for (int j = 0; j < layer.kernel_width; ++j) {
                                const int row = y * layer.stride - layer.pad + i,
                                          column = x * layer.stride - layer.pad + j;
                                const int channel = layer.depthwise ? o : c;
                                const bool inside = row >= 0 && row < from.height && column >= 0 && column < from.width;
                                const double around = layer.input == 0 ? net.file.pad_levels[channel] : from.zero_point;
                                const double value =
                                    inside ? values[layer.input][(channel * from.height + row) * from.width + column]
                                           : around;
                                const size_t at = static_cast<size_t>(
                                    ((o * layer.inputs + c) * layer.kernel_height + i) * layer.kernel_width + j);
                                sum += value * (net.file.integers ? a.bytes[at] : static_cast<double>(a.floats[at]));
                            }
                    const size_t place = out.size();
                    const double other = layer.shortcut >= 0 ? values[layer.shortcut][place] : 0.0;
                    if (!net.file.integers) {
                        out.push_back(layer.relu ? std::max(sum + other, 0.0) : sum + other);
                    } else if (layer.float_output) {
                        out.push_back(static_cast<double>(static_cast<float>(sum) * a.scales[o]));
                    } else {
                        const int64_t t = clamped(static_cast<int64_t>(sum) >> a.shifts[o], -32768, 32767);
                        int64_t u = (t * a.multipliers[o] + 16384) >> 15;
                        if (layer.shortcut >= 0) {
                            const int64_t r =
                                (static_cast<int64_t>(other) - net.file.tensors[layer.shortcut].zero_point) * 128;
                            u = clamped(u + ((r * layer.shortcut_multiplier + 16384) >> 15), -32768, 32767);
                        }
                        if (to.wide)
                            out.push_back(static_cast<double>(layer.relu ? std::max<int64_t>(u, 0) : u));
                        else
                            out.push_back(static_cast<double>(
                                clamped(clamped(u + 16 * to.zero_point + 8, -32768, 32767) >> 4, 0, 255)));
                    }
                }
        values.push_back(out);
    }
    return values.back();
}

void check_paths(bool integers) {
    std::mt19937 random(7);
    for (const int channels : {1, 16, 21, 48, 80}) {
        const Case net(random, integers, channels);
        std::vector<double> picture;
        std::vector<uint8_t> bytes;
        std::vector<float> floats;
        for (int i = 0; i < 3 * 9 * 9; ++i) {
            const int level = static_cast<int>(random() % 256);
            bytes.push_back(static_cast<uint8_t>(random() % 4 == 0 ? 255 : level));
            floats.push_back(static_cast<float>(level) / 128.0f - 1.0f);
            picture.push_back(integers ? bytes.back() : static_cast<double>(floats.back()));
        }
        const std::vector<double> wanted = plain_run(net, picture);
        for (const NetworkIsa& isa : usable_network_isas()) {
            const auto network = std::make_shared<const Network>(net.file, isa);
            Arena arena(network);
            std::vector<float> found(21);
            float* rows[1] = {found.data()};
            arena.run(integers ? bytes.data() : reinterpret_cast<const uint8_t*>(floats.data()), rows);
            for (int i = 0; i < 21; ++i) {
                const double apart = std::fabs(found[i] - wanted[i]);
                CHECK(integers ? apart == 0.0 : apart <= 1e-5 * (10.0 + std::fabs(wanted[i])),
                      "%s, %d channels, output %d: %.9g instead of %.9g", isa.name, channels, i,
                      static_cast<double>(found[i]), wanted[i]);
            }
        }
    }
}

bool refused(const std::vector<uint8_t>& data) {
    constexpr std::align_val_t kAlign{64};
    void* copy = ::operator new(data.size() + 64, kAlign);
    if (!data.empty()) std::memcpy(copy, data.data(), data.size());
    bool is_refused = false;
    try {
        read_network(static_cast<const uint8_t*>(copy), data.size());
    } catch (const std::invalid_argument&) {
        is_refused = true;
    }
    ::operator delete(copy, kAlign);
    return is_refused;
}

void check_damaged_files() {
    std::vector<uint8_t> data(256);
    CHECK(refused({}) && refused(data), "zeros were taken for a file");
    std::memcpy(data.data(), "\x89HPENET\n", 8);
    data[8] = 1;
    data[17] = 1;  // 256 bytes
    CHECK(refused(data), "a file with a wrong checksum was taken");
}

}  // namespace

void network_tests() {
    check_paths(true);
    check_paths(false);
    check_damaged_files();
}

#include "network/network_file.h"

#include <array>
#include <cmath>
#include <cstring>
#include <stdexcept>

namespace hpe {
namespace {

constexpr char kMagic[] = "\x89HPENET\n";
constexpr uint32_t kFormat = 1;
constexpr size_t kHeader = 128, kTensor = 16, kLayer = 80, kOutput = 16, kChecked = 16;
constexpr uint32_t kNone = 0xffffffffu;
constexpr uint32_t kMostRecords = 4096, kMostChannels = 4096, kMostSize = 4096, kMostKernel = 64, kMostStride = 8;
constexpr int64_t kMostNumbers = 1 << 28;  // of a tensor, its border included, and of a layer's weights
constexpr int64_t kMostOfAll = 1 << 28;    // of all tensors for the smallest picture

[[noreturn]] void refuse(const std::string& what) {
    throw std::invalid_argument(what);
}
void need(bool sound, const char* what) {
    if (!sound) refuse(what);
}

template <typename T>
T read_at(const uint8_t* p) {
    T value;
    std::memcpy(&value, p, sizeof value);
    return value;
}
uint32_t word(const uint8_t* p) {
    return read_at<uint32_t>(p);
}

// The CRC-32 of zlib, eight bytes at a time.
uint32_t crc32(const uint8_t* data, size_t bytes) {
    static const auto tables = [] {
        std::array<std::array<uint32_t, 256>, 8> t{};
        for (uint32_t i = 0; i < 256; ++i) {
            uint32_t c = i;
            for (int k = 0; k < 8; ++k) c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
            t[0][i] = c;
        }
        for (uint32_t i = 0; i < 256; ++i)
            for (size_t k = 1; k < 8; ++k) t[k][i] = t[0][t[k - 1][i] & 255] ^ (t[k - 1][i] >> 8);
        return t;
    }();
    uint32_t c = 0xffffffffu;
    for (; bytes >= 8; bytes -= 8, data += 8) {
        c ^= word(data);
        const uint32_t high = word(data + 4);
        c = tables[7][c & 255] ^ tables[6][c >> 8 & 255] ^ tables[5][c >> 16 & 255] ^ tables[4][c >> 24] ^
            tables[3][high & 255] ^ tables[2][high >> 8 & 255] ^ tables[1][high >> 16 & 255] ^ tables[0][high >> 24];
    }
    for (; bytes > 0; --bytes, ++data) c = tables[0][(c ^ *data) & 255] ^ (c >> 8);
    return ~c;
}

// With the widest border that there may be.
int64_t numbers_of(const FileTensor& tensor, TensorSize size) {
    const int64_t border = 2 * kMostKernel;
    return (size.height + border) * (size.width + border) * (tensor.channels + 16);
}

class Reader {
public:
    Reader(const uint8_t* data, size_t bytes) : data_(data), bytes_(bytes) {}

    NetworkFile read() {
        read_header();
        const uint8_t* at = data_ + kHeader;
        for (uint32_t i = 0; i < counts_[0]; ++i, at += kTensor) read_tensor(at);
        for (uint32_t i = 0; i < counts_[1]; ++i, at += kLayer) read_layer(at);
        for (uint32_t i = 0; i < counts_[2]; ++i, at += kOutput) read_output(at);
        for (size_t t = 1; t < file_.tensors.size(); ++t) {
            need(written_[t], "a tensor is no layer's output");
            need(!is_float_[t] || is_output_[t], "a float output is not one of the network's");
        }
        const int side = file_.size > 0 ? file_.size : file_.multiple;
        int64_t numbers = 0;
        const std::vector<TensorSize> sizes = tensor_sizes(file_, side, side);
        for (size_t t = 0; t < sizes.size(); ++t) numbers += numbers_of(file_.tensors[t], sizes[t]);
        need(numbers <= kMostOfAll, "its tensors are too large");
        return std::move(file_);
    }

private:
    void read_header() {
        need(bytes_ >= kHeader && std::memcmp(data_, kMagic, 8) == 0, "it does not begin like a .hpe file");
        const uint32_t format = word(data_ + 8);
        if (format != kFormat)
            refuse("it has format " + std::to_string(format) + ", this version reads format " +
                   std::to_string(kFormat));
        const auto stated = read_at<uint64_t>(data_ + 16);
        if (stated != bytes_)
            refuse("it has " + std::to_string(bytes_) + " bytes instead of " + std::to_string(stated) +
                   ", so it is truncated or damaged");
        need(word(data_ + 12) == crc32(data_ + kChecked, bytes_ - kChecked), "its checksum differs: it is damaged");
        const uint32_t precision = word(data_ + 24);
        need(precision <= 1, "its precision is unknown");
        file_.integers = precision == 1;
        for (int i = 0; i < 3; ++i) {
            counts_[i] = word(data_ + 28 + 4 * i);
            need(counts_[i] >= 1 && counts_[i] <= kMostRecords, "it has too few or too many records");
        }
        need(counts_[1] == counts_[0] - 1, "its layers and tensors differ in number");
        const uint32_t height = word(data_ + 40), width = word(data_ + 44);
        const uint32_t multiple = word(data_ + 52);
        need(height == width && height <= kMostSize && multiple <= kMostSize && (height == 0) == (multiple > 0),
             "its picture is not square, empty or too large");
        file_.size = static_cast<int>(height);
        file_.multiple = static_cast<int>(multiple);
        std::memcpy(file_.pad_levels, data_ + 48, 3);
        records_ = kHeader + counts_[0] * kTensor + counts_[1] * kLayer + counts_[2] * kOutput;
        need(records_ <= bytes_, "its records do not fit into it");
        file_.spec = text(data_ + 56);
        if (read_at<uint64_t>(data_ + 80) != 0) file_.answers = text(data_ + 72);
        written_.assign(counts_[0], false);
        is_float_.assign(counts_[0], false);
        is_output_.assign(counts_[0], false);
        written_[0] = true;
    }

    void read_tensor(const uint8_t* p) {
        const uint32_t channels = word(p);
        const auto zero = read_at<int32_t>(p + 4);
        need(channels >= 1 && channels <= kMostChannels, "a tensor has too few or too many channels");
        need(zero >= 0 && zero <= 255, "a zero point is not 0..255");
        need(std::isfinite(read_at<float>(p + 8)), "a scale is not finite");
        const bool picture = file_.tensors.empty();
        const uint32_t wide = word(p + 12);
        need(wide <= 1 && (wide == 0 || (file_.integers && !picture && zero == 0)), "a tensor has unknown flags");
        need(!picture || channels == 3, "its picture has other than 3 channels");
        file_.tensors.push_back({static_cast<int>(channels), zero, wide == 1});
    }

    void read_layer(const uint8_t* p) {
        uint32_t field[9];
        std::memcpy(field, p, sizeof field);
        const auto multiplier = read_at<int32_t>(p + 36);
        FileLayer layer{};
        need(field[0] < 32, "a layer has unknown flags");
        layer.relu = field[0] & 1;
        layer.float_output = field[0] & 2;
        layer.depthwise = field[0] & 4;
        layer.max_pool = field[0] & 8;
        layer.half_shortcut = field[0] & 16;
        need(field[1] < counts_[0] && field[2] < counts_[0], "a layer names a tensor that there is not");
        need(written_[field[1]] && !is_float_[field[1]], "a layer reads what no layer before it has written");
        need(!written_[field[2]], "a tensor is written twice");
        layer.input = static_cast<int>(field[1]);
        layer.output = static_cast<int>(field[2]);
        const FileTensor& from = file_.tensors[field[1]];
        FileTensor& to = file_.tensors[field[2]];
        need(field[4] >= 1 && field[4] <= kMostKernel && field[5] >= 1 && field[5] <= kMostKernel,
             "a kernel is empty or too large");
        need(field[6] >= 1 && field[6] <= kMostStride && field[7] < kMostKernel && field[8] == 0,
             "a layer's stride or border is out of range");
        layer.kernel_height = static_cast<int>(field[4]);
        layer.kernel_width = static_cast<int>(field[5]);
        layer.stride = static_cast<int>(field[6]);
        layer.pad = static_cast<int>(field[7]);
        need(!layer.depthwise || (from.channels == to.channels && layer.input != 0),
             "a depthwise layer reads other channels than it writes");
        need(!layer.float_output || (!layer.relu && !to.wide), "an output has a ReLU");
        need(!layer.max_pool || (field[0] == 8 && layer.pad == 0 && field[3] == kNone && layer.input != 0 &&
                                 from.channels == to.channels && !from.wide && !to.wide),
             "a maximum has a border, a shortcut or other channels");
        need(!layer.half_shortcut || field[3] != kNone, "a shortcut of half the size is none");
        layer.shortcut = -1;
        if (field[3] != kNone) {
            need(field[3] < counts_[0] && field[3] != 0 && written_[field[3]] && !is_float_[field[3]] &&
                     !layer.float_output,
                 "a layer adds what no layer before it has written");
            const FileTensor& other = file_.tensors[field[3]];
            need(!other.wide, "a layer adds a wide tensor");
            need(other.channels == to.channels, "a layer adds a tensor of another shape");
            layer.shortcut = static_cast<int>(field[3]);
        }
        need(multiplier >= 0 && multiplier <= 32767, "a shortcut's multiplier is out of range");
        layer.shortcut_multiplier = multiplier;
        layer.inputs = layer.depthwise || layer.max_pool ? 1 : from.channels;
        if (!layer.max_pool) read_arrays(p + 40, layer, to);
        written_[field[2]] = true;
        is_float_[field[2]] = layer.float_output;
        file_.layers.push_back(layer);
    }

    void read_arrays(const uint8_t* p, FileLayer& layer, const FileTensor& to) {
        const int largest = file_.tensors[layer.input].wide ? 32768 : 256;
        const int64_t each = static_cast<int64_t>(layer.inputs) * layer.kernel_height * layer.kernel_width;
        const int64_t outputs = to.channels;
        need(each * (outputs + 16) <= kMostNumbers, "a layer has too many weights");
        const size_t number = file_.integers ? 1 : 4;
        layer.weights = array(read_at<uint64_t>(p), static_cast<uint64_t>(each * outputs) * number);
        layer.bias = array(read_at<uint64_t>(p + 8), static_cast<uint64_t>(outputs) * 4);
        if (!file_.integers) return;
        layer.multipliers =
            array(read_at<uint64_t>(p + 16), static_cast<uint64_t>(outputs) * (layer.float_output ? 4 : 2));
        if (!layer.float_output) layer.shifts = array(read_at<uint64_t>(p + 24), static_cast<uint64_t>(outputs) * 4);
        need(!layer.relu || to.zero_point == 0, "the output of a ReLU has a zero point");
        for (int64_t o = 0; o < outputs; ++o) {
            // The sums of all paths stay within 32 bits, those of bytes that are taken as signed ones included.
            int64_t most = std::llabs(static_cast<int64_t>(read_at<int32_t>(layer.bias + 4 * o)));
            const auto* weights = reinterpret_cast<const int8_t*>(layer.weights) + o * each;
            for (int64_t i = 0; i < each; ++i) {
                need(weights[i] != -128, "a weight is -128");
                most += largest * std::abs(static_cast<int>(weights[i]));
            }
            need(most < INT64_C(1) << 31, "the sums of a layer leave 32 bits");
            if (layer.float_output) continue;
            const auto shift = read_at<int32_t>(layer.shifts + 4 * o);
            need(shift >= 0 && shift <= 31 && read_at<int16_t>(layer.multipliers + 2 * o) >= 0,
                 "a multiplier or shift is out of range");
        }
    }

    void read_output(const uint8_t* p) {
        const uint32_t first = word(p), columns = word(p + 4), tensor = word(p + 8), flags = word(p + 12);
        need(tensor < counts_[0] && is_float_[tensor], "an output is no layer's float output");
        const auto channels = static_cast<uint32_t>(file_.tensors[tensor].channels);
        need(flags <= 1 && columns >= 1 && columns <= channels && first <= channels - columns,
             "an output's columns are out of range");
        is_output_[tensor] = true;
        file_.outputs.push_back(
            {static_cast<int>(tensor), static_cast<int>(first), static_cast<int>(columns), flags == 1});
    }

    // Of place and length.
    std::string text(const uint8_t* p) const {
        const auto bytes = read_at<uint64_t>(p + 8);
        return {reinterpret_cast<const char*>(array(read_at<uint64_t>(p), bytes)), static_cast<size_t>(bytes)};
    }

    // An array of the file behind the records.
    const uint8_t* array(uint64_t at, uint64_t count) const {
        need(at % 64 == 0 && at >= records_ && at <= bytes_ && count <= bytes_ - at, "an array lies outside of it");
        return data_ + at;
    }

    const uint8_t* data_;
    size_t bytes_;
    size_t records_ = 0;
    uint32_t counts_[3]{};  // tensors, layers, outputs
    NetworkFile file_{};
    std::vector<bool> written_, is_float_, is_output_;
};

}  // namespace

std::vector<TensorSize> tensor_sizes(const NetworkFile& file, int height, int width) {
    const auto fits = [&](int side) {
        return file.size > 0 ? side == file.size
                             : side > 0 && side <= static_cast<int>(kMostSize) && side % file.multiple == 0;
    };
    if (!fits(height) || !fits(width))
        refuse("it takes pictures of " +
               (file.size > 0 ? std::to_string(file.size) + " pixels"
                              : "multiples of " + std::to_string(file.multiple) + " up to " +
                                    std::to_string(kMostSize) + " pixels") +
               ", not " + std::to_string(width) + " x " + std::to_string(height));
    std::vector<TensorSize> sizes(file.tensors.size());
    sizes[0] = {height, width};
    for (const FileLayer& layer : file.layers) {
        const TensorSize from{sizes[layer.input].height + 2 * layer.pad, sizes[layer.input].width + 2 * layer.pad};
        need(from.height >= layer.kernel_height && from.width >= layer.kernel_width,
             "a kernel is larger than its input");
        const TensorSize to{(from.height - layer.kernel_height) / layer.stride + 1,
                            (from.width - layer.kernel_width) / layer.stride + 1};
        need(numbers_of(file.tensors[layer.output], to) <= kMostNumbers, "its tensors are too large");
        if (layer.shortcut >= 0) {
            const TensorSize other = sizes[layer.shortcut];
            const int times = layer.half_shortcut ? 2 : 1;
            need(times * other.height == to.height && times * other.width == to.width,
                 "a layer adds a tensor of another shape");
        }
        sizes[layer.output] = to;
    }
    return sizes;
}

NetworkFile read_network(const uint8_t* data, size_t bytes) {
    return Reader(data, bytes).read();
}

}  // namespace hpe

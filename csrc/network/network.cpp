#include "network/network.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <thread>

namespace hpe {
namespace {

constexpr size_t kAlign = 64;

int blocks_of(int channels) {
    return (channels + kBlock - 1) / kBlock;
}

Bytes make_bytes(size_t bytes) {
    const size_t whole = (bytes + kAlign - 1) / kAlign * kAlign;
    void* p = ::operator new(std::max(whole, kAlign), std::align_val_t{kAlign});
    std::memset(p, 0, std::max(whole, kAlign));
    return Bytes(static_cast<uint8_t*>(p));
}

// A file's array, padded with zeros to whole blocks.
Bytes copy_of(const uint8_t* from, size_t number_bytes, int channels) {
    if (!from) return nullptr;
    Bytes copy = make_bytes(static_cast<size_t>(blocks_of(channels)) * kBlock * number_bytes);
    std::memcpy(copy.get(), from, number_bytes * static_cast<size_t>(channels));
    return copy;
}

// What one step reads: four bytes, two 16-bit numbers or a float at an offset, and the weights that belong to them, as
// indices into a kernel [inputs][height][width]; -1: none.
struct Step {
    int32_t offset;
    int weight[kStepBytes];
};

std::vector<Step> steps_of(const FileLayer& layer, const TensorPlace& place, int number) {
    std::vector<Step> steps;
    const int height = layer.kernel_height, width = layer.kernel_width;
    const auto index = [&](int channel, int y, int x) { return (channel * height + y) * width + x; };
    const auto add = [&](ptrdiff_t offset, int count, int first, int stride) {
        Step step{static_cast<int32_t>(offset), {-1, -1, -1, -1}};
        for (int k = 0; k < count && k < kStepBytes; ++k) step.weight[k] = first + k * stride;
        steps.push_back(step);
    };
    const int taken = kStepBytes / number;  // numbers of a step
    if (layer.input == 0) {
        for (int c = 0; c < layer.inputs; ++c)
            for (int y = 0; y < height; ++y)
                for (int x = 0; x < width; x += taken)
                    add(c * place.plane_bytes + y * place.row_bytes + x * number, std::min(taken, width - x),
                        index(c, y, x), 1);
        return steps;
    }
    for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x)
            for (int c = 0; c < layer.inputs; c += layer.depthwise ? 1 : taken)
                add(y * place.row_bytes + x * place.pixel_bytes + c * number,
                    layer.depthwise ? 1 : std::min(taken, layer.inputs - c), index(c, y, x), height * width);
    return steps;
}

// A step's weights of one channel, at channel `o` of their block.
void put_integers(const Step& step, const int8_t* kernel, bool wide, WeightLayout layout, uint8_t* block, int o) {
    for (int k = 0; k < kStepBytes; ++k) {
        if (step.weight[k] < 0) continue;
        const int16_t word = kernel[step.weight[k]];
        if (wide) {
            std::memcpy(block + o * kStepBytes + k * 2, &word, sizeof word);
        } else if (layout == WeightLayout::kBytes) {
            block[o * kStepBytes + k] = static_cast<uint8_t>(word);
        } else {
            std::memcpy(block + (k % 2) * 64 + o * 4 + (k / 2) * 2, &word, sizeof word);
        }
    }
}

}  // namespace

void FreeAligned::operator()(void* p) const {
    ::operator delete(p, std::align_val_t{kAlign});
}

Network::Network(const NetworkFile& file, const NetworkIsa& isa) : file_(file), kernels_(isa.kernels) {
    place_tensors();
    for (const FileLayer& layer : file_.layers) layers_.push_back(pack(layer, layer.weights));
    for (FileLayer& layer : file_.layers) layer.weights = layer.bias = layer.multipliers = layer.shifts = nullptr;
}

std::vector<int> Network::columns() const {
    std::vector<int> columns;
    for (const int tensor : file_.outputs) columns.push_back(file_.tensors[tensor].channels);
    return columns;
}

int Network::number_bytes(int tensor) const {
    const bool is_output = std::find(file_.outputs.begin(), file_.outputs.end(), tensor) != file_.outputs.end();
    return is_output || !file_.integers ? 4 : file_.tensors[tensor].wide ? 2 : 1;
}

void Network::place_tensors() {
    places_.resize(file_.tensors.size());
    for (const FileLayer& layer : file_.layers)
        places_[layer.input].border = std::max(places_[layer.input].border, layer.pad);
    for (size_t t = 0; t < places_.size(); ++t) {
        TensorPlace& place = places_[t];
        const FileTensor& tensor = file_.tensors[t];
        const ptrdiff_t number = number_bytes(static_cast<int>(t));
        const ptrdiff_t rows = tensor.height + 2 * place.border, columns = tensor.width + 2 * place.border;
        place.at = buffer_bytes_;
        if (t == 0) {
            place.pixel_bytes = number;
            // A step of bytes reads up to three more than the row has.
            place.row_bytes = (columns * number + kStepBytes + 15) / 16 * 16;
            place.plane_bytes = rows * place.row_bytes;
            buffer_bytes_ += static_cast<size_t>(3 * place.plane_bytes);
        } else {
            place.pixel_bytes = static_cast<ptrdiff_t>(blocks_of(tensor.channels)) * kBlock * number;
            place.row_bytes = columns * place.pixel_bytes;
            buffer_bytes_ += static_cast<size_t>(rows * place.row_bytes);
        }
        buffer_bytes_ = (buffer_bytes_ + kAlign - 1) / kAlign * kAlign + kAlign;
    }
}

PackedLayer Network::pack(const FileLayer& layer, const uint8_t* weights) const {
    const int outputs = file_.tensors[layer.output].channels;
    const size_t kernel = static_cast<size_t>(layer.inputs) * layer.kernel_height * layer.kernel_width;
    const std::vector<Step> steps = steps_of(layer, places_[layer.input], number_bytes(layer.input));
    const bool wide = file_.tensors[layer.input].wide;
    const size_t weight_bytes = file_.integers ? 1 : 4;
    PackedLayer packed;
    for (const Step& step : steps) packed.offsets.push_back(step.offset);
    packed.bias = copy_of(layer.bias, 4, outputs);
    if (file_.integers) {
        if (layer.float_output) {
            packed.scales = copy_of(layer.multipliers, 4, outputs);
        } else {
            packed.multipliers = copy_of(layer.multipliers, 2, outputs);
            packed.shifts = copy_of(layer.shifts, 4, outputs);
        }
    }
    const bool words = file_.integers && !wide && !layer.depthwise && kernels_->layout == WeightLayout::kWords;
    const size_t step_bytes = words ? 128 : file_.integers && layer.depthwise ? 32 : 64;
    packed.weights = make_bytes(static_cast<size_t>(blocks_of(outputs)) * steps.size() * step_bytes);
    for (int o = 0; o < outputs; ++o) {
        uint8_t* block = packed.weights.get() + static_cast<size_t>(o / kBlock) * steps.size() * step_bytes;
        const uint8_t* own = weights + static_cast<size_t>(o) * kernel * weight_bytes;
        int32_t sum = 0;
        for (const Step& step : steps) {
            if (!file_.integers) {
                std::memcpy(block + o % kBlock * 4, own + 4 * static_cast<size_t>(step.weight[0]), 4);
            } else if (layer.depthwise) {
                const int16_t word = reinterpret_cast<const int8_t*>(own)[step.weight[0]];
                std::memcpy(block + o % kBlock * 2, &word, sizeof word);
            } else {
                const auto* numbers = reinterpret_cast<const int8_t*>(own);
                put_integers(step, numbers, wide, kernels_->layout, block, o % kBlock);
                for (const int at : step.weight) sum += at < 0 ? 0 : numbers[at];
            }
            block += step_bytes;
        }
        if (file_.integers && !wide && !layer.depthwise && kernels_->signed_bytes)
            reinterpret_cast<int32_t*>(packed.bias.get())[o] += 128 * sum;
    }
    return packed;
}

Arena::Arena(std::shared_ptr<const Network> network)
    : network_(std::move(network)), buffer_(make_bytes(network_->buffer_bytes_)) {
    fill_borders();
    for (size_t i = 0; i < network_->layers_.size(); ++i) tasks_.push_back(task_of(i));
}

Picture Arena::interior(int tensor, int pad) const {
    const TensorPlace& place = network_->places_[tensor];
    const ptrdiff_t inwards = place.border - pad;
    return {buffer_.get() + place.at + inwards * (place.row_bytes + place.pixel_bytes), place.row_bytes,
            place.pixel_bytes};
}

void Arena::fill_borders() {
    const NetworkFile& file = network_->file_;
    if (!file.integers) return;  // the buffer is zeros
    for (size_t t = 0; t < file.tensors.size(); ++t) {
        const TensorPlace& place = network_->places_[t];
        const ptrdiff_t rows = file.tensors[t].height + 2 * place.border;
        uint8_t* at = buffer_.get() + place.at;
        // What is inside is written before it is read.
        if (t > 0) {
            if (file.tensors[t].wide) continue;
            std::memset(at, file.tensors[t].zero_point, static_cast<size_t>(rows * place.row_bytes));
            continue;
        }
        for (int plane = 0; plane < 3; ++plane)
            std::memset(at + plane * place.plane_bytes, file.pad_levels[plane], static_cast<size_t>(place.plane_bytes));
    }
}

ConvTask Arena::task_of(size_t index) const {
    const FileLayer& layer = network_->file_.layers[index];
    const PackedLayer& packed = network_->layers_[index];
    const FileTensor& to = network_->file_.tensors[layer.output];
    ConvTask task{};
    task.input = interior(layer.input, layer.pad);
    task.input.row_bytes *= layer.stride;
    task.input.pixel_bytes *= layer.stride;
    task.offsets = packed.offsets.data();
    task.steps = static_cast<int>(packed.offsets.size());
    task.weights = packed.weights.get();
    task.bias = packed.bias.get();
    task.width = to.width;
    task.height = to.height;
    task.blocks = blocks_of(to.channels);
    task.output = interior(layer.output, 0);
    task.relu = layer.relu;
    if (layer.shortcut >= 0) {
        task.shortcut = interior(layer.shortcut, 0);
        task.requantise.shortcut_zero = static_cast<int16_t>(network_->file_.tensors[layer.shortcut].zero_point);
    }
    task.requantise.shifts = reinterpret_cast<const int32_t*>(packed.shifts.get());
    task.requantise.multipliers = reinterpret_cast<const int16_t*>(packed.multipliers.get());
    task.requantise.offset = static_cast<int16_t>(16 * to.zero_point + 8);
    task.requantise.wide = to.wide;
    task.requantise.relu = layer.relu;
    task.requantise.shortcut_multiplier = static_cast<int16_t>(layer.shortcut_multiplier);
    task.scales = reinterpret_cast<const float*>(packed.scales.get());
    return task;
}

void Arena::load(const uint8_t* picture) {
    const TensorPlace& place = network_->places_[0];
    const size_t row = static_cast<size_t>(network_->size() * network_->number_bytes(0));
    const Picture inside = interior(0, 0);
    for (int plane = 0; plane < 3; ++plane) {
        uint8_t* to = inside.data + plane * place.plane_bytes;
        for (int y = 0; y < network_->size(); ++y, picture += row, to += place.row_bytes) std::memcpy(to, picture, row);
    }
}

void Arena::run(const uint8_t* picture, float* const* outputs) {
    load(picture);
    const NetworkKernels& kernels = *network_->kernels_;
    const NetworkFile& file = network_->file_;
    for (size_t i = 0; i < tasks_.size(); ++i) {
        const FileLayer& layer = file.layers[i];
        if (!file.integers)
            (layer.depthwise ? kernels.depthwise_floats : kernels.conv_floats)(tasks_[i]);
        else if (file.tensors[layer.input].wide)
            (layer.depthwise ? kernels.depthwise_words : kernels.conv_words)(tasks_[i]);
        else
            (layer.depthwise ? kernels.depthwise_bytes : kernels.conv_bytes)(tasks_[i]);
    }
    for (size_t i = 0; i < file.outputs.size(); ++i)
        std::memcpy(outputs[i], interior(file.outputs[i], 0).data,
                    sizeof(float) * static_cast<size_t>(file.tensors[file.outputs[i]].channels));
}

void run_faces(const std::vector<Arena*>& arenas, const uint8_t* pictures, size_t picture_bytes, int count,
               float* const* outputs, const int* columns, size_t output_count) {
    const int workers = std::min(static_cast<int>(arenas.size()), count);
    const auto work = [&](int worker) {
        std::vector<float*> rows(output_count);
        for (int i = count * worker / workers; i < count * (worker + 1) / workers; ++i) {
            for (size_t k = 0; k < output_count; ++k) rows[k] = outputs[k] + static_cast<ptrdiff_t>(i) * columns[k];
            arenas[worker]->run(pictures + static_cast<size_t>(i) * picture_bytes, rows.data());
        }
    };
    std::vector<std::thread> threads;
    for (int worker = 1; worker < workers; ++worker) threads.emplace_back(work, worker);
    if (workers > 0) work(0);
    for (std::thread& thread : threads) thread.join();
}

}  // namespace hpe

#include "network/network.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <thread>

#include "common/exp.h"

namespace hpe {
namespace {

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
    const int each = layer.depthwise || layer.max_pool ? 1 : taken;
    for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x)
            for (int c = 0; c < layer.inputs; c += each)
                add(y * place.row_bytes + x * place.pixel_bytes + c * number, std::min(each, layer.inputs - c),
                    index(c, y, x), height * width);
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

// True where 255 times the magnitudes of two neighbouring weights fits into 16 bits.
bool is_quick(const Step& step, const int8_t* kernel) {
    const auto magnitude = [&](int k) { return step.weight[k] < 0 ? 0 : std::abs(kernel[step.weight[k]]); };
    return magnitude(0) + magnitude(1) <= 128 && magnitude(2) + magnitude(3) <= 128;
}

// The quick steps of each block first.
void sort_steps(const std::vector<Step>& steps, const int8_t* weights, size_t kernel, int outputs,
                PackedLayer& packed) {
    for (int first = 0; first < outputs; first += kBlock) {
        std::vector<int32_t> rest;
        const size_t start = packed.order.size();
        for (size_t k = 0; k < steps.size(); ++k) {
            bool quick = true;
            for (int o = first; quick && o < std::min(first + kBlock, outputs); ++o)
                quick = is_quick(steps[k], weights + static_cast<size_t>(o) * kernel);
            (quick ? packed.order : rest).push_back(static_cast<int32_t>(k));
        }
        packed.quick.push_back(static_cast<int32_t>(packed.order.size() - start));
        packed.order.insert(packed.order.end(), rest.begin(), rest.end());
    }
}

float sigmoid(float x) {
    const float e = exp_nonpositive(x < 0.0f ? x : -x);
    return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

}  // namespace

void FreeAligned::operator()(void* p) const {
    ::operator delete(p, std::align_val_t{kAlign});
}

Network::Network(const NetworkFile& file, const NetworkIsa& isa) : file_(file), kernels_(isa.kernels) {
    for (const FileLayer& layer : file_.layers) layers_.push_back(pack(layer, layer.weights));
    for (FileLayer& layer : file_.layers) layer.weights = layer.bias = layer.multipliers = layer.shifts = nullptr;
}

std::vector<OutputSize> Network::output_sizes(int height, int width) const {
    const std::vector<TensorSize> sizes = tensor_sizes(file_, height, width);
    std::vector<OutputSize> found;
    for (const FileOutput& output : file_.outputs)
        found.push_back({sizes[output.tensor].height * sizes[output.tensor].width, output.columns});
    return found;
}

std::vector<int> Network::columns() const {
    std::vector<int> columns;
    for (const OutputSize& output : output_sizes(file_.size, file_.size))
        columns.push_back(output.rows * output.columns);
    return columns;
}

PackedLayer Network::pack(const FileLayer& layer, const uint8_t* weights) const {
    PackedLayer packed;
    if (layer.max_pool) return packed;
    const int outputs = file_.tensors[layer.output].channels;
    const size_t kernel = static_cast<size_t>(layer.inputs) * layer.kernel_height * layer.kernel_width;
    // Where the steps read depends on the picture's size, and their weights do not.
    const std::vector<Step> steps = steps_of(layer, TensorPlace{}, number_bytes(file_, layer.input));
    const bool wide = file_.tensors[layer.input].wide;
    const size_t weight_bytes = file_.integers ? 1 : 4;
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
    const bool pairs = file_.integers && layer.depthwise;
    if (words) sort_steps(steps, reinterpret_cast<const int8_t*>(weights), kernel, outputs, packed);
    const size_t block_bytes = pairs ? (steps.size() + 1) / 2 * 64 : steps.size() * (words ? 128 : 64);
    packed.weights = make_bytes(static_cast<size_t>(blocks_of(outputs)) * block_bytes);
    for (int o = 0; o < outputs; ++o) {
        const int block = o / kBlock, at = o % kBlock;
        uint8_t* to = packed.weights.get() + static_cast<size_t>(block) * block_bytes;
        const uint8_t* own = weights + static_cast<size_t>(o) * kernel * weight_bytes;
        const auto* numbers = reinterpret_cast<const int8_t*>(own);
        int32_t sum = 0;
        for (size_t i = 0; i < steps.size(); ++i) {
            const Step& step = steps[words ? packed.order[static_cast<size_t>(block) * steps.size() + i] : i];
            const bool quick = words && static_cast<int32_t>(i) < packed.quick[block];
            if (!file_.integers) {
                std::memcpy(to + at * 4, own + 4 * static_cast<size_t>(step.weight[0]), 4);
            } else if (pairs) {
                const int16_t word = numbers[step.weight[0]];
                std::memcpy(to + at * 4 + i % 2 * 2, &word, sizeof word);
            } else {
                put_integers(step, numbers, wide, quick ? WeightLayout::kBytes : kernels_->layout, to, at);
                for (const int weight : step.weight) sum += weight < 0 ? 0 : numbers[weight];
            }
            to += pairs ? i % 2 * 64 : words && !quick ? 128 : 64;
        }
        if (file_.integers && !wide && !layer.depthwise && kernels_->signed_bytes)
            reinterpret_cast<int32_t*>(packed.bias.get())[o] += 128 * sum;
    }
    return packed;
}

Arena::Arena(std::shared_ptr<const Network> network) : Arena(network, network->size(), network->size()) {}

Arena::Arena(std::shared_ptr<const Network> network, int height, int width)
    : network_(std::move(network)),
      layout_(lay_out(network_->file_, height, width)),
      buffer_(make_bytes(layout_.bytes)) {
    const NetworkFile& file = network_->file_;
    for (size_t t = 0; t < layout_.places.size(); ++t) fill_border(static_cast<int>(t));
    for (size_t i = 0; i < file.layers.size(); ++i) {
        const FileLayer& layer = file.layers[i];
        std::vector<int32_t> in_order, offsets;
        for (const Step& step : steps_of(layer, layout_.places[layer.input], number_bytes(file, layer.input)))
            in_order.push_back(step.offset);
        if (file.integers && layer.depthwise && in_order.size() % 2 != 0) in_order.push_back(in_order.back());
        for (const int32_t step : network_->layers_[i].order) offsets.push_back(in_order[step]);
        steps_.push_back(static_cast<int>(in_order.size()));
        offsets_.push_back(offsets.empty() ? in_order : offsets);
    }
    for (size_t i = 0; i < file.layers.size(); ++i) tasks_.push_back(task_of(i));
}

Picture Arena::interior(int tensor, int pad) const {
    const TensorPlace& place = layout_.places[tensor];
    const ptrdiff_t inwards = place.border - pad;
    return {buffer_.get() + place.at + inwards * (place.row_bytes + place.pixel_bytes), place.row_bytes,
            place.pixel_bytes};
}

void Arena::fill_border(int tensor) {
    const NetworkFile& file = network_->file_;
    const TensorPlace& place = layout_.places[tensor];
    const TensorSize size = layout_.sizes[tensor];
    const ptrdiff_t side = place.border * place.pixel_bytes, inside = size.width * place.pixel_bytes;
    if (place.border == 0) return;
    for (int plane = 0; plane < (tensor == 0 ? 3 : 1); ++plane) {
        const int level = !file.integers ? 0 : tensor == 0 ? file.pad_levels[plane] : file.tensors[tensor].zero_point;
        uint8_t* row = buffer_.get() + place.at + plane * place.plane_bytes;
        const auto fill = [&](uint8_t* at, ptrdiff_t bytes) { std::memset(at, level, static_cast<size_t>(bytes)); };
        for (int y = -place.border; y < size.height + place.border; ++y, row += place.row_bytes) {
            if (y < 0 || y >= size.height) {
                fill(row, place.row_bytes);
            } else {
                fill(row, side);
                fill(row + side + inside, place.row_bytes - side - inside);
            }
        }
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
    task.offsets = offsets_[index].data();
    task.steps = steps_[index];
    task.quick = packed.quick.data();
    task.weights = packed.weights.get();
    task.bias = packed.bias.get();
    task.width = layout_.sizes[layer.output].width;
    task.height = layout_.sizes[layer.output].height;
    task.blocks = blocks_of(to.channels);
    task.output = interior(layer.output, 0);
    task.relu = layer.relu;
    if (layer.shortcut >= 0) {
        task.shortcut = interior(layer.shortcut, 0);
        task.shortcut_shift = layer.half_shortcut;
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
    const TensorPlace& place = layout_.places[0];
    const TensorSize size = layout_.sizes[0];
    const size_t row = static_cast<size_t>(size.width * place.pixel_bytes);
    const Picture inside = interior(0, 0);
    if (place.shares) fill_border(0);
    for (int plane = 0; plane < 3; ++plane) {
        uint8_t* to = inside.data + plane * place.plane_bytes;
        for (int y = 0; y < size.height; ++y, picture += row, to += place.row_bytes) std::memcpy(to, picture, row);
    }
}

void Arena::store(const FileOutput& output, float* to) const {
    const Picture from = interior(output.tensor, 0);
    const TensorSize size = layout_.sizes[output.tensor];
    for (int y = 0; y < size.height; ++y)
        for (int x = 0; x < size.width; ++x, to += output.columns) {
            const auto* row = reinterpret_cast<const float*>(from.data + y * from.row_bytes + x * from.pixel_bytes);
            for (int c = 0; c < output.columns; ++c)
                to[c] = output.sigmoid ? sigmoid(row[output.first + c]) : row[output.first + c];
        }
}

void Arena::run(const uint8_t* picture, float* const* outputs) {
    load(picture);
    const NetworkKernels& kernels = *network_->kernels_;
    const NetworkFile& file = network_->file_;
    for (size_t i = 0; i < tasks_.size(); ++i) {
        const FileLayer& layer = file.layers[i];
        if (layout_.places[layer.output].shares) fill_border(layer.output);
        if (layer.max_pool)
            (file.integers ? kernels.max_pool_bytes : kernels.max_pool_floats)(tasks_[i]);
        else if (!file.integers)
            (layer.depthwise ? kernels.depthwise_floats : kernels.conv_floats)(tasks_[i]);
        else if (file.tensors[layer.input].wide)
            (layer.depthwise ? kernels.depthwise_words : kernels.conv_words)(tasks_[i]);
        else
            (layer.depthwise ? kernels.depthwise_bytes : kernels.conv_bytes)(tasks_[i]);
    }
    for (size_t i = 0; i < file.outputs.size(); ++i) store(file.outputs[i], outputs[i]);
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

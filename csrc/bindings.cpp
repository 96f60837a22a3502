// The only file that knows Python. Arguments were checked in hpe_edge/ops; here arrays become views, the
// interpreter lock is released and C++ loops.
#include <pybind11/gil_safe_call_once.h>
#include <pybind11/native_enum.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <cmath>
#include <cstring>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "cpu/run_plans.h"
#include "crop/channels_last.h"
#include "crop/crop_map.h"
#include "crop/crop_normalize.h"
#include "crop/place_faces.h"
#include "crop/stretch.h"
#include "crop/turned_crop.h"
#include "crop/warp_normalize.h"
#include "cuda/batch_run.h"
#include "cuda/cuda_device.h"
#include "cuda/driver_calls.h"
#include "cuda/kernel_launch.h"
#include "decode/decode.h"
#include "decode/heatmap.h"
#include "decode/turns.h"
#include "network/network.h"
#include "regions/roi_align.h"

namespace py = pybind11;

namespace hpe {
namespace {

Isa find_isa(const std::string& name) {
    for (const Isa& isa : usable_isas())
        if (name.empty() || name == isa.name) return isa;
    throw std::invalid_argument("instruction set '" + name + "' is not usable on this processor");
}

Frame view_frame(const py::array& frame, const std::optional<py::array>& chroma, PixelFormat format, YuvRule yuv) {
    Frame view{};
    view.yuv = yuv;
    view.data = static_cast<const uint8_t*>(frame.data());
    view.row_stride_bytes = frame.strides(0);
    view.height = static_cast<int>(frame.shape(0));
    view.width = static_cast<int>(frame.shape(1));
    view.format = format;
    if (chroma) {
        view.chroma = static_cast<const uint8_t*>(chroma->data());
        view.chroma_row_stride_bytes = chroma->strides(0);
    }
    return view;
}

FrameRecord record_of(const Frame& f, bool swap_colors, YuvRule yuv) {
    return {reinterpret_cast<uint64_t>(f.data),
            reinterpret_cast<uint64_t>(f.chroma),
            f.row_stride_bytes,
            f.chroma_row_stride_bytes,
            f.width,
            f.height,
            static_cast<int32_t>(f.format),
            swap_colors,
            static_cast<int16_t>(yuv)};
}

CropPlan make_plan(const std::array<double, 4>& margins, Square square, bool clip, bool antialias,
                   const std::array<float, 3>& fill, int size, const std::array<float, 3>& gain,
                   const std::array<float, 3>& bias, OutputType output) {
    CropPlan plan{};
    for (int i = 0; i < 4; ++i) plan.crop.margin[i] = margins[i];
    plan.crop.square = square;
    plan.crop.clip = clip;
    plan.crop.antialias = antialias;
    plan.input.size = size;
    for (int c = 0; c < 3; ++c) {
        plan.crop.fill[c] = fill[c];
        plan.input.gain[c] = gain[c];
        plan.input.bias[c] = bias[c];
    }
    plan.output = output;
    return plan;
}

// Features [height, width, channels] of each level; `levels` [N] chooses one for each of `boxes` [N, 4].
void run_roi_align(const std::vector<std::pair<py::array, double>>& maps, const py::array& levels,
                   const py::array& boxes, py::array& out, const std::string& isa) {
    std::vector<FeatureMap> views;
    for (const auto& [map, scale] : maps)
        views.push_back({static_cast<const float*>(map.data()), static_cast<int>(map.shape(0)),
                         static_cast<int>(map.shape(1)), scale});
    const Isa chosen = find_isa(isa);
    const int* level = static_cast<const int*>(levels.data());
    const Box* box = static_cast<const Box*>(boxes.data());
    const int count = static_cast<int>(boxes.shape(0)), channels = static_cast<int>(out.shape(3));
    float* to = static_cast<float*>(out.mutable_data());
    const py::gil_scoped_release release;
    roi_align(views.data(), level, box, count, channels, *chosen.regions, to);
}

int run_suppress(const py::array& boxes, float limit, py::array& kept, const std::string& isa) {
    const Isa chosen = find_isa(isa);
    const Box* box = static_cast<const Box*>(boxes.data());
    const int count = static_cast<int>(boxes.shape(0)), most = static_cast<int>(kept.shape(0));
    int* to = static_cast<int*>(kept.mutable_data());
    const py::gil_scoped_release release;
    return suppress(box, count, limit, most, *chosen.regions, to);
}

// In place of an instruction set: what the CUDA launch does, thread after thread on the CPU.
constexpr char kEmulated[] = "cuda-emulated";

class CropNormalize {
public:
    CropNormalize(const std::array<double, 4>& margins, Square square, bool clip, bool antialias,
                  const std::array<float, 3>& fill, int size, bool swap_colors, const std::array<float, 3>& gain,
                  const std::array<float, 3>& bias, PixelFormat format, YuvRule yuv, OutputType output,
                  const std::string& isa)
        : plan_{make_plan(margins, square, clip, antialias, fill, size, gain, bias, output)},
          format_(format),
          yuv_(yuv),
          emulated_(isa == kEmulated) {
        plan_.input.swap_colors = swap_colors;
        if (!emulated_) isa_ = find_isa(isa);
    }

    void boxes(const py::array& frame, const std::optional<py::array>& chroma, const py::array& boxes,
               const std::optional<py::array>& turns, py::array& out) const {
        const Frame view = view_frame(frame, chroma, format_, yuv_);
        const Box* data = static_cast<const Box*>(boxes.data());
        std::vector<Turn> turn;
        if (turns) turn = turns_of(static_cast<const float*>(turns->data()), boxes.shape(0));
        const int count = static_cast<int>(boxes.shape(0));
        if (emulated_) {
            std::vector<BoxFace> faces;
            const FrameRecord record = record_of(view, plan_.input.swap_colors, yuv_);
            for (int i = 0; i < count; ++i)
                faces.push_back({record, place_box(record, data[i], turns ? turn[i] : Turn{1.0f, 0.0f}, plan_.crop,
                                                   plan_.input.size)});
            return emulate(faces, out, emulate_crop);
        }
        run(count, out, [&](auto* to) {
            crop_faces(view, data, turns ? turn.data() : nullptr, count, plan_.crop, plan_.input, isa_, to);
        });
    }

    void warp(const py::array& frame, const std::optional<py::array>& chroma, const py::array& homographies,
              py::array& out) const {
        const Frame view = view_frame(frame, chroma, format_, yuv_);
        const Homography* data = static_cast<const Homography*>(homographies.data());
        const int count = static_cast<int>(homographies.shape(0));
        if (emulated_) {
            std::vector<WarpFace> faces;
            for (int i = 0; i < count; ++i)
                faces.push_back({record_of(view, plan_.input.swap_colors, yuv_),
                                 place_view(data[i], plan_.input.size, plan_.crop.antialias)});
            return emulate(faces, out, emulate_warp);
        }
        run(count, out, [&](auto* to) { warp_normalize(view, data, count, plan_.crop, plan_.input, *isa_.rows, to); });
    }

    // Fills `out` [N, 2, 3] of float64 with the maps from the crops to a frame of that size.
    void maps(const py::array& boxes, const std::optional<py::array>& turns, int width, int height,
              py::array& out) const {
        const Box* data = static_cast<const Box*>(boxes.data());
        std::vector<Turn> turn(boxes.shape(0), Turn{1.0f, 0.0f});
        if (turns) turn = turns_of(static_cast<const float*>(turns->data()), boxes.shape(0));
        auto* to = static_cast<CropMap*>(out.mutable_data());
        for (py::ssize_t i = 0; i < boxes.shape(0); ++i)
            to[i] = crop_map(data[i], turn[i], plan_.crop, plan_.input.size, width, height);
    }

private:
    // `loop` writes planes.
    template <typename Loop>
    void run(int count, py::array& out, const Loop& loop) const {
        void* to = out.mutable_data();
        const py::gil_scoped_release release;
        with_output_type(plan_.output, to, [&](auto* typed) {
            if constexpr (std::is_same_v<decltype(typed), HalfPixel*>) {
                const size_t pixels = static_cast<size_t>(plan_.input.size) * plan_.input.size;
                std::vector<Half> planes(3 * pixels * count);
                loop(planes.data());
                interleave(planes.data(), count, pixels, typed);
            } else {
                loop(typed);
            }
        });
    }

    static std::vector<Turn> turns_of(const float* degrees, py::ssize_t count) {
        std::vector<Turn> turns;
        for (py::ssize_t i = 0; i < count; ++i) turns.push_back(turn_of(degrees[i]));
        return turns;
    }

    template <typename Face>
    void emulate(const std::vector<Face>& faces, py::array& out,
                 void (*launch)(const CropPlan&, const Face*, int, void*, bool)) const {
        void* to = out.mutable_data();
        const py::gil_scoped_release release;
        CropPlan thick = plan_;
        thick.tiles_wanted = 1;  // tests have few faces, and these tiles are the ones that take several rows
        launch(thick, faces.data(), static_cast<int>(faces.size()), to, false);
    }

    CropPlan plan_;
    PixelFormat format_;
    YuvRule yuv_;
    bool emulated_;
    Isa isa_{};
};

// The launches over memory that only its address is known of: the GPU's, or the host's for the emulation.
class CropLaunch {
public:
    CropLaunch(const std::array<double, 4>& margins, Square square, bool clip, bool antialias,
               const std::array<float, 3>& fill, int size, const std::array<float, 3>& gain,
               const std::array<float, 3>& bias, OutputType output, bool emulated)
        : plan_{make_plan(margins, square, clip, antialias, fill, size, gain, bias, output)}, emulated_(emulated) {}

    // Fills `faces` [N] of BOX_FACE with a frame's record and its boxes [N, 4]; `turns` are vectors [N, 2], or none.
    void write_boxes(const py::array& frame, const py::array& boxes, const std::optional<py::array>& turns,
                     py::array& faces) const {
        const FrameRecord record = *static_cast<const FrameRecord*>(frame.data());
        const auto* box = static_cast<const Box*>(boxes.data());
        const auto* turn = turns ? static_cast<const Turn*>(turns->data()) : nullptr;
        auto* to = static_cast<BoxFace*>(faces.mutable_data());
        for (py::ssize_t i = 0; i < faces.shape(0); ++i)
            to[i] = {record,
                     place_box(record, box[i], turn ? turn[i] : Turn{1.0f, 0.0f}, plan_.crop, plan_.input.size)};
    }

    void write_views(const py::array& frame, const py::array& homographies, py::array& faces) const {
        const FrameRecord record = *static_cast<const FrameRecord*>(frame.data());
        const auto* homography = static_cast<const Homography*>(homographies.data());
        auto* to = static_cast<WarpFace*>(faces.mutable_data());
        for (py::ssize_t i = 0; i < faces.shape(0); ++i)
            to[i] = {record, place_view(homography[i], plan_.input.size, plan_.crop.antialias)};
    }

    void boxes(uint64_t faces, int count, uint64_t out, uint64_t stream) const {
        const auto* from = reinterpret_cast<const BoxFace*>(faces);
        if (emulated_)
            emulate_crop(plan_, from, count, reinterpret_cast<void*>(out));
        else
            launch_crop(plan_, from, count, reinterpret_cast<void*>(out), reinterpret_cast<void*>(stream));
    }

    void warp(uint64_t faces, int count, uint64_t out, uint64_t stream) const {
        const auto* from = reinterpret_cast<const WarpFace*>(faces);
        if (emulated_)
            emulate_warp(plan_, from, count, reinterpret_cast<void*>(out));
        else
            launch_warp(plan_, from, count, reinterpret_cast<void*>(out), reinterpret_cast<void*>(stream));
    }

    void stretch(uint64_t crops, int count, uint64_t stretched, uint64_t stream) const {
        void* from = reinterpret_cast<void*>(crops);
        auto* marks = reinterpret_cast<float*>(stretched);
        if (emulated_)
            emulate_stretch(plan_, from, count, marks);
        else
            launch_stretch(plan_, from, count, marks, reinterpret_cast<void*>(stream));
    }

    const CropPlan& plan() const { return plan_; }

private:
    CropPlan plan_;
    bool emulated_;
};

class ContrastStretch {
public:
    explicit ContrastStretch(const CropPlan& plan) : rule_(stretch_rule(plan.crop, plan.input)), output_(plan.output) {}

    // `crops` of the output's layout; `stretched` [N] bools are all written.
    void run(py::array& crops, py::array& stretched) const {
        void* from = crops.mutable_data();
        auto* marks = static_cast<uint8_t*>(stretched.mutable_data());
        const int count = static_cast<int>(crops.shape(0));
        const py::gil_scoped_release release;
        with_output_type(output_, from, [&](auto* typed) { stretch_crops(rule_, typed, count, marks); });
    }

private:
    StretchRule rule_;
    OutputType output_;
};

// Where a head's values lie: which of the model's outputs, from which column on.
struct HeadPlace {
    int output;
    int column;
};

HeadView view_head(const std::vector<py::array>& outputs, const HeadPlace& place) {
    const py::array& array = outputs.at(place.output);
    return {static_cast<const float*>(array.data()) + place.column,
            array.strides(0) / static_cast<ptrdiff_t>(sizeof(float))};
}

// The fields of a BinGrid, in its order.
using BinTuple = std::tuple<float, float, int, bool, float>;

DecodePlan make_decode_plan(DecodeKind kind, const std::vector<BinTuple>& grids, const std::vector<float>& factors) {
    DecodePlan plan{kind, {}, {1.0f, 1.0f, 1.0f}};
    for (int h = 0; h < 3; ++h) {
        if (has_bins(kind)) {
            const auto& [first_deg, step_deg, count, circular, sigma_factor] = grids.at(h);
            plan.grid[h] = {first_deg, step_deg, count, circular, sigma_factor};
        } else {
            plan.factors[h] = factors.at(h);
        }
    }
    return plan;
}

class Decode {
public:
    Decode(DecodeKind kind, const std::vector<std::pair<int, int>>& places, const std::vector<BinTuple>& grids,
           const std::vector<float>& factors, const std::string& isa)
        : plan_(make_decode_plan(kind, grids, factors)), emulated_(isa == kEmulated) {
        for (const auto& [output, column] : places) places_.push_back({output, column});
        if (!emulated_) isa_ = find_isa(isa);
        if (has_bins(kind)) bins_ = make_bin_decode(plan_.grid, kind == DecodeKind::kBinsZxy);
    }

    void run(const std::vector<py::array>& outputs, py::array& angles, py::array& sigma, py::array& rotation) const {
        const int count = static_cast<int>(angles.shape(0));
        const PoseArrays out{static_cast<float*>(angles.mutable_data()), static_cast<float*>(sigma.mutable_data()),
                             static_cast<float*>(rotation.mutable_data())};
        HeadView heads[3]{};
        for (size_t h = 0; h < places_.size(); ++h) heads[h] = view_head(outputs, places_[h]);
        const py::gil_scoped_release release;
        if (emulated_) return emulate_decode(plan_, heads, count, out);
        decode_heads(plan_, bins_, heads, count, isa_, out);
    }

private:
    DecodePlan plan_;
    bool emulated_;
    Isa isa_{};
    std::vector<HeadPlace> places_;
    BinDecode bins_;
};

// As CropLaunch: everything is an address; rows of heads are `row_strides` floats apart.
class DecodeLaunch {
public:
    DecodeLaunch(DecodeKind kind, const std::vector<BinTuple>& grids, const std::vector<float>& factors, bool emulated)
        : plan_(make_decode_plan(kind, grids, factors)), emulated_(emulated) {}

    void run(const std::vector<std::pair<uint64_t, int64_t>>& heads, int count, uint64_t angles, uint64_t sigma,
             uint64_t rotation, uint64_t stream) const {
        HeadView views[3]{};
        for (size_t h = 0; h < heads.size(); ++h)
            views[h] = {reinterpret_cast<const float*>(heads[h].first), static_cast<ptrdiff_t>(heads[h].second)};
        const PoseArrays out{reinterpret_cast<float*>(angles), reinterpret_cast<float*>(sigma),
                             reinterpret_cast<float*>(rotation)};
        if (emulated_)
            emulate_decode(plan_, views, count, out);
        else
            launch_decode(plan_, views, count, out, reinterpret_cast<void*>(stream));
    }

private:
    DecodePlan plan_;
    bool emulated_;
};

// Peaks of maps [N, count, side, side], in arrays or, as DecodeLaunch, at addresses.
class HeatmapPeaks {
public:
    HeatmapPeaks(int count, int side, bool logarithm, const std::string& isa)
        : plan_{count, side, logarithm}, emulated_(isa == kEmulated) {
        if (!emulated_) isa_ = find_isa(isa);
    }

    void run(const py::array& maps, py::array& out) const {
        const auto* from = static_cast<const float*>(maps.data());
        const auto row = static_cast<ptrdiff_t>(maps.strides(0) / static_cast<py::ssize_t>(sizeof(float)));
        const int faces = static_cast<int>(maps.shape(0));
        auto* to = static_cast<float*>(out.mutable_data());
        const py::gil_scoped_release release;
        if (emulated_) return emulate_peaks(plan_, from, row, faces, to);
        find_peaks(plan_, from, row, faces, *isa_.decode, to);
    }

    void launch(uint64_t maps, int64_t row_stride, int faces, uint64_t out, uint64_t stream) const {
        launch_peaks(plan_, reinterpret_cast<const float*>(maps), static_cast<ptrdiff_t>(row_stride), faces,
                     reinterpret_cast<float*>(out), reinterpret_cast<void*>(stream));
    }

private:
    HeatmapPlan plan_;
    bool emulated_;
    Isa isa_{};
};

NetworkIsa find_network_isa(const std::string& name) {
    for (const NetworkIsa& isa : usable_network_isas())
        if (name.empty() || name == isa.name) return isa;
    throw std::invalid_argument("the network has no path '" + name + "' on this processor");
}

// A .hpe file, read and packed; the file's bytes may go afterwards.
class NativeNetwork {
public:
    NativeNetwork(const py::buffer& file, const std::string& isa_name) {
        const py::buffer_info bytes = file.request();
        const NetworkIsa isa = find_network_isa(isa_name);
        isa_ = isa.name;
        const auto* data = static_cast<const uint8_t*>(bytes.ptr);
        const auto size = static_cast<size_t>(bytes.size * bytes.itemsize);
        const py::gil_scoped_release release;
        with_network(data, size, [&](const NetworkFile& read) {
            spec_ = read.spec;
            answers_ = read.answers;
            network_ = std::make_shared<const Network>(read, isa);
        });
    }

    const std::string& spec() const { return spec_; }
    const std::string& answers() const { return answers_; }
    const std::string& isa() const { return isa_; }
    const std::shared_ptr<const Network>& network() const { return network_; }

private:
    std::string spec_, answers_, isa_;
    std::shared_ptr<const Network> network_;
};

// Buffers of one caller at a time, for up to `threads` threads. Those of the latest sizes of the picture are kept.
class NativeRun {
public:
    NativeRun(const NativeNetwork& network, int threads) : network_(network.network()), threads_(threads) {
        if (network_->size() > 0) buffers_of(network_->size(), network_->size());
    }

    // pictures [count, 3, height, width], uint8 or float32; outputs [count, rows * columns] or [count, rows, columns].
    void run(const py::array& pictures, const std::vector<py::array_t<float>>& outputs) {
        std::vector<float*> rows;
        for (py::array_t<float> output : outputs) rows.push_back(output.mutable_data());
        const int count = static_cast<int>(pictures.shape(0));
        const auto picture_bytes = static_cast<size_t>(pictures.strides(0));
        const auto* data = static_cast<const uint8_t*>(pictures.data());
        const int height = static_cast<int>(pictures.shape(2)), width = static_cast<int>(pictures.shape(3));
        const py::gil_scoped_release release;
        const Buffers& buffers = buffers_of(height, width);
        run_faces(buffers.workers, data, picture_bytes, count, rows.data(), buffers.columns.data(),
                  buffers.columns.size());
    }

private:
    struct Buffers {
        int height, width;
        std::vector<int> columns;
        std::vector<std::unique_ptr<Arena>> arenas;
        std::vector<Arena*> workers;
    };

    // As many as a detector looks with at a frame: the whole, with a margin, turned, and regions.
    static constexpr size_t kMostSizes = 4;

    const Buffers& buffers_of(int height, int width) {
        const auto same = [&](const Buffers& b) { return b.height == height && b.width == width; };
        const auto found = std::find_if(buffers_.begin(), buffers_.end(), same);
        if (found != buffers_.end()) {
            std::rotate(buffers_.begin(), found, found + 1);
            return buffers_.front();
        }
        Buffers made{height, width, {}, {}, {}};
        for (const OutputSize& output : network_->output_sizes(height, width))
            made.columns.push_back(output.rows * output.columns);
        for (int i = 0; i < threads_; ++i) made.arenas.push_back(std::make_unique<Arena>(network_, height, width));
        for (const auto& arena : made.arenas) made.workers.push_back(arena.get());
        if (buffers_.size() == kMostSizes) buffers_.pop_back();
        buffers_.insert(buffers_.begin(), std::move(made));
        return buffers_.front();
    }

    std::shared_ptr<const Network> network_;
    int threads_;
    std::vector<Buffers> buffers_;  // the latest first
};

// What has another type, or gaps in memory, is refused.
template <typename T>
using Packed = py::array_t<T, py::array::c_style>;

void rolls_of_keypoints(const Packed<float>& keypoints, Packed<float>& rolls_deg) {
    rolls_from_keypoints(keypoints.data(), static_cast<int32_t>(rolls_deg.shape(0)), rolls_deg.mutable_data());
}

void undo(const Packed<float>& turns_deg, Packed<float>& angles_deg, Packed<float>& rotations) {
    undo_turns(turns_deg.data(), static_cast<int32_t>(turns_deg.shape(0)),
               {angles_deg.mutable_data(), nullptr, rotations.mutable_data()});
}

// Both are filled from the front; returns how far.
int find_second_pass(const std::optional<Packed<float>>& turns_deg, const Packed<float>& rotations,
                     Packed<int32_t>& rows, Packed<float>& rolls_deg) {
    return second_pass(turns_deg ? turns_deg->data() : nullptr, static_cast<int32_t>(rows.shape(0)), rotations.data(),
                       rows.mutable_data(), rolls_deg.mutable_data());
}

// The first box that is not finite, not larger than nothing, or beyond `limit` pixels; -1 when all are sound.
int first_bad_box(const py::array& boxes, float limit) {
    const Box* data = static_cast<const Box*>(boxes.data());
    for (py::ssize_t i = 0; i < boxes.shape(0); ++i) {
        const Box& b = data[i];
        const bool inside = std::fabs(b.x1) <= limit && std::fabs(b.y1) <= limit && std::fabs(b.x2) <= limit &&
                            std::fabs(b.y2) <= limit;
        if (!(inside && b.x1 < b.x2 && b.y1 < b.y2)) return static_cast<int>(i);
    }
    return -1;
}

// Limits of boxes beyond which Python looks closer.
struct BoxSigns {
    double fraction, flattest, highest, tallest;

    // Errs on the side of true.
    bool any(const py::array& boxes, int width, int height, bool fitted) const {
        const Box* data = static_cast<const Box*>(boxes.data());
        const py::ssize_t count = boxes.shape(0);
        bool fractions = count > 0;
        py::ssize_t tall = 0;
        for (py::ssize_t i = 0; i < count; ++i) {
            const Box& b = data[i];
            const double ratio = (static_cast<double>(b.y2) - b.y1) / (static_cast<double>(b.x2) - b.x1);
            if (b.x2 <= 0 || b.y2 <= 0 || b.x1 >= static_cast<float>(width) || b.y1 >= static_cast<float>(height))
                return true;
            if (!(flattest < ratio && ratio < highest)) return true;
            tall += ratio > tallest;
            fractions = fractions && b.x2 <= fraction && b.y2 <= fraction;
        }
        return fractions || (!fitted && 2 * tall >= count && count > 0);
    }
};

void* pointer(uint64_t address) {
    return reinterpret_cast<void*>(address);
}

constexpr const char* kDriverCalls[] = {"cuCtxPushCurrent",    "cuCtxPopCurrent",      "cuMemcpyHtoDAsync",
                                        "cuEventRecord",       "cuStreamWaitEvent",    "cuGraphLaunch",
                                        "cuStreamSynchronize", "cuPointerGetAttribute"};

DriverCalls make_driver_calls(const std::map<std::string, uint64_t>& addresses) {
    DriverCalls calls{};
    const char* const* name = kDriverCalls;
    const auto next = [&](auto& function) {
        function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(addresses.at(*name++));
    };
    next(calls.push_context);
    next(calls.pop_context);
    next(calls.copy_in);
    next(calls.record_event);
    next(calls.wait_event);
    next(calls.launch_graph);
    next(calls.synchronize);
    next(calls.pointer_attribute);
    return calls;
}

FrameRecord frame_record(const py::tuple& fields) {
    FrameRecord r{};
    r.data = fields[0].cast<uint64_t>();
    r.chroma = fields[1].cast<uint64_t>();
    r.row_stride_bytes = fields[2].cast<int64_t>();
    r.chroma_row_stride_bytes = fields[3].cast<int64_t>();
    r.width = fields[4].cast<int32_t>();
    r.height = fields[5].cast<int32_t>();
    r.format = fields[6].cast<int32_t>();
    r.swap_colors = fields[7].cast<int16_t>();
    r.yuv = fields[8].cast<int16_t>();
    return r;
}

float* floats_of(const py::handle& array) {
    return array.is_none() ? nullptr : static_cast<float*>(py::reinterpret_borrow<py::array>(array).mutable_data());
}

BatchPart part_of(const py::tuple& fields, bool warped) {
    BatchPart part{};
    const auto places = py::reinterpret_borrow<py::array>(fields[1]);
    part.frame = frame_record(py::reinterpret_borrow<py::tuple>(fields[0]));
    if (warped)
        part.homographies = static_cast<const Homography*>(places.data());
    else
        part.boxes = static_cast<const Box*>(places.data());
    part.count = static_cast<int>(places.shape(0));
    if (!fields[2].is_none())
        part.turns_deg = static_cast<const float*>(py::reinterpret_borrow<py::array>(fields[2]).data());
    part.angles = floats_of(fields[3]);
    part.sigma = floats_of(fields[4]);
    part.rotation = floats_of(fields[5]);
    if (!fields[6].is_none())
        part.stretched = static_cast<bool*>(py::reinterpret_borrow<py::array>(fields[6]).mutable_data());
    return part;
}

Batch batch_of(int size, bool warped, const py::list& parts, const py::list& copies, const py::list& writers) {
    Batch batch{size, {}, {}, {}};
    batch.parts.reserve(parts.size());
    for (const py::handle each : parts) batch.parts.push_back(part_of(py::reinterpret_borrow<py::tuple>(each), warped));
    for (const py::handle each : copies) {
        const auto copy = py::reinterpret_borrow<py::tuple>(each);
        batch.copies.push_back({copy[0].cast<uint64_t>(), pointer(copy[1].cast<uint64_t>()), copy[2].cast<size_t>()});
    }
    for (const py::handle each : writers) batch.writers.push_back(pointer(each.cast<uint64_t>()));
    return batch;
}

}  // namespace
}  // namespace hpe

PYBIND11_MODULE(_native, m) {
    using namespace hpe;
    m.doc() = "Fused crop and decode of hpe_edge. Arguments are checked by hpe_edge.ops; call that instead.";

    py::native_enum<PixelFormat>(m, "PixelFormat", "enum.Enum")
        .value("COLOR", PixelFormat::kColor)
        .value("GRAY8", PixelFormat::kGray8)
        .value("NV12", PixelFormat::kNv12)
        .value("COLOR4", PixelFormat::kColor4)
        .finalize();
    py::native_enum<YuvRule>(m, "YuvRule", "enum.Enum")
        .value("BT601", YuvRule::kBt601)
        .value("BT601_FULL", YuvRule::kBt601Full)
        .value("BT709", YuvRule::kBt709)
        .value("BT709_FULL", YuvRule::kBt709Full)
        .finalize();
    py::native_enum<OutputType>(m, "OutputType", "enum.Enum")
        .value("FLOAT32", OutputType::kFloat32)
        .value("FLOAT16", OutputType::kFloat16)
        .value("UINT8", OutputType::kUint8)
        .value("FLOAT16_HWC8", OutputType::kFloat16Hwc8)
        .finalize();
    py::native_enum<DecodeKind>(m, "DecodeKind", "enum.Enum")
        .value("BINS", DecodeKind::kBins)
        .value("ANGLES", DecodeKind::kAngles)
        .value("ROT6D", DecodeKind::kRot6d)
        .value("MATRIX", DecodeKind::kMatrix)
        .value("QUATERNION", DecodeKind::kQuaternion)
        .value("BINS_ZXY", DecodeKind::kBinsZxy)
        .finalize();
    py::native_enum<Square>(m, "Square", "enum.Enum")
        .value("EXTEND", Square::kExtend)
        .value("SHRINK", Square::kShrink)
        .value("NONE", Square::kNone)
        .finalize();

    py::class_<CropNormalize>(m, "CropNormalize")
        .def(py::init<const std::array<double, 4>&, Square, bool, bool, const std::array<float, 3>&, int, bool,
                      const std::array<float, 3>&, const std::array<float, 3>&, PixelFormat, YuvRule, OutputType,
                      const std::string&>(),
             py::kw_only(), py::arg("margins"), py::arg("square"), py::arg("clip"), py::arg("antialias"),
             py::arg("fill"), py::arg("size"), py::arg("swap_colors"), py::arg("gain"), py::arg("bias"),
             py::arg("format"), py::arg("yuv"), py::arg("output"), py::arg("isa"))
        .def("boxes", &CropNormalize::boxes, py::arg("frame"), py::arg("chroma"), py::arg("boxes"),
             py::arg("turns_deg"), py::arg("out"))
        .def("warp", &CropNormalize::warp, py::arg("frame"), py::arg("chroma"), py::arg("homographies"), py::arg("out"))
        .def("maps", &CropNormalize::maps, py::arg("boxes"), py::arg("turns_deg"), py::arg("width"), py::arg("height"),
             py::arg("out"));

    py::class_<ContrastStretch>(m, "ContrastStretch")
        .def(py::init([](const std::array<double, 4>& margins, Square square, bool clip, bool antialias,
                         const std::array<float, 3>& fill, int size, const std::array<float, 3>& gain,
                         const std::array<float, 3>& bias, OutputType output) {
                 return ContrastStretch(make_plan(margins, square, clip, antialias, fill, size, gain, bias, output));
             }),
             py::kw_only(), py::arg("margins"), py::arg("square"), py::arg("clip"), py::arg("antialias"),
             py::arg("fill"), py::arg("size"), py::arg("gain"), py::arg("bias"), py::arg("output"))
        .def("run", &ContrastStretch::run, py::arg("crops"), py::arg("stretched"));

    py::class_<Decode>(m, "Decode")
        .def(py::init<DecodeKind, const std::vector<std::pair<int, int>>&, const std::vector<BinTuple>&,
                      const std::vector<float>&, const std::string&>(),
             py::kw_only(), py::arg("kind"), py::arg("places"), py::arg("grids"), py::arg("factors"), py::arg("isa"))
        .def("run", &Decode::run, py::arg("outputs"), py::arg("angles"), py::arg("sigma"), py::arg("rotation"));

    py::class_<HeatmapPeaks>(m, "HeatmapPeaks")
        .def(py::init<int, int, bool, const std::string&>(), py::kw_only(), py::arg("count"), py::arg("side"),
             py::arg("logarithm"), py::arg("isa"))
        .def("run", &HeatmapPeaks::run, py::arg("maps"), py::arg("out"))
        .def("launch", &HeatmapPeaks::launch, py::arg("maps"), py::arg("row_stride"), py::arg("faces"), py::arg("out"),
             py::arg("stream"));

    py::class_<CropLaunch>(m, "CropLaunch")
        .def(py::init<const std::array<double, 4>&, Square, bool, bool, const std::array<float, 3>&, int,
                      const std::array<float, 3>&, const std::array<float, 3>&, OutputType, bool>(),
             py::kw_only(), py::arg("margins"), py::arg("square"), py::arg("clip"), py::arg("antialias"),
             py::arg("fill"), py::arg("size"), py::arg("gain"), py::arg("bias"), py::arg("output"), py::arg("emulated"))
        .def("write_boxes", &CropLaunch::write_boxes, py::arg("frame"), py::arg("boxes"), py::arg("turns"),
             py::arg("faces"))
        .def("write_views", &CropLaunch::write_views, py::arg("frame"), py::arg("homographies"), py::arg("faces"))
        .def("boxes", &CropLaunch::boxes, py::arg("faces"), py::arg("count"), py::arg("out"), py::arg("stream"))
        .def("warp", &CropLaunch::warp, py::arg("faces"), py::arg("count"), py::arg("out"), py::arg("stream"))
        .def("stretch", &CropLaunch::stretch, py::arg("crops"), py::arg("count"), py::arg("stretched"),
             py::arg("stream"));

    py::class_<DecodeLaunch>(m, "DecodeLaunch")
        .def(py::init<DecodeKind, const std::vector<BinTuple>&, const std::vector<float>&, bool>(), py::kw_only(),
             py::arg("kind"), py::arg("grids"), py::arg("factors"), py::arg("emulated"))
        .def("run", &DecodeLaunch::run, py::arg("heads"), py::arg("count"), py::arg("angles"), py::arg("sigma"),
             py::arg("rotation"), py::arg("stream"));

    PYBIND11_CONSTINIT static py::gil_safe_call_once_and_store<py::object> driver_error;
    driver_error.call_once_and_store_result(
        [&] { return py::object(py::exception<DriverError>(m, "DriverError", PyExc_RuntimeError)); });
    py::register_exception_translator([](std::exception_ptr raised) {
        try {
            if (raised) std::rethrow_exception(raised);
        } catch (const DriverError& error) {
            py::set_error(driver_error.get_stored(), py::make_tuple(error.what(), error.code));
        }
    });
    py::class_<DriverCalls>(m, "DriverCalls")
        .def(py::init(&make_driver_calls), py::arg("addresses"))
        .def(
            "launch",
            [](const DriverCalls& calls, uint64_t context, uint64_t graph, uint64_t stream) {
                const py::gil_scoped_release release;
                run_graph(calls, pointer(context), pointer(graph), pointer(stream));
            },
            py::arg("context"), py::arg("graph"), py::arg("stream"))
        .def(
            "owns",
            [](const DriverCalls& calls, uint64_t address, int gpu, uint64_t context) {
                return owns_memory(calls, address, gpu, pointer(context));
            },
            py::arg("address"), py::arg("gpu"), py::arg("context"));
    py::class_<BatchRun>(m, "BatchRun")
        .def(py::init([](const DriverCalls& calls, const CropLaunch& crop, uint64_t context, uint64_t stream,
                         uint64_t event, int most, uint64_t box_faces, uint64_t warp_faces, uint64_t poses) {
                 return BatchRun(calls, pointer(context), pointer(stream), pointer(event), crop.plan(), most,
                                 pointer(box_faces), pointer(warp_faces), static_cast<const float*>(pointer(poses)));
             }),
             py::kw_only(), py::arg("calls"), py::arg("crop"), py::arg("context"), py::arg("stream"), py::arg("event"),
             py::arg("most"), py::arg("box_faces"), py::arg("warp_faces"), py::arg("poses"))
        .def(
            "load",
            [](const BatchRun& run, int size, bool warped, const py::list& parts, const py::list& copies,
               const py::list& writers) {
                const Batch batch = batch_of(size, warped, parts, copies, writers);
                const py::gil_scoped_release release;
                run.load(batch);
            },
            py::arg("size"), py::arg("warped"), py::arg("parts"), py::arg("copies"), py::arg("writers"))
        .def(
            "run",
            [](const BatchRun& run, int size, bool warped, const py::list& parts, const py::list& copies,
               const py::list& writers, uint64_t graph) {
                const Batch batch = batch_of(size, warped, parts, copies, writers);
                const py::gil_scoped_release release;
                run.run(batch, pointer(graph));
            },
            py::arg("size"), py::arg("warped"), py::arg("parts"), py::arg("copies"), py::arg("writers"),
            py::arg("graph"))
        .def(
            "read",
            [](const BatchRun& run, int size, bool warped, const py::list& parts) {
                run.read(batch_of(size, warped, parts, py::list(), py::list()));
            },
            py::arg("size"), py::arg("warped"), py::arg("parts"));
    py::tuple call_names(std::size(kDriverCalls));
    for (size_t i = 0; i < std::size(kDriverCalls); ++i) call_names[i] = kDriverCalls[i];
    m.attr("DRIVER_CALLS") = call_names;

    PYBIND11_NUMPY_DTYPE(FrameRecord, data, chroma, row_stride_bytes, chroma_row_stride_bytes, width, height, format,
                         swap_colors, yuv);
    PYBIND11_NUMPY_DTYPE(Filter, factor, step);
    PYBIND11_NUMPY_DTYPE(CropPlace, x, y, column_x, column_y, row_x, row_y, half_x, half_y, slope_x, slope_y, first_x,
                         last_x, first_y, last_y, across, down, sampling);
    PYBIND11_NUMPY_DTYPE(WarpPlace, m, x, y, steps, weight);
    PYBIND11_NUMPY_DTYPE(BoxFace, frame, place);
    PYBIND11_NUMPY_DTYPE(WarpFace, frame, place);
    m.attr("BOX_FACE") = py::dtype::of<BoxFace>();
    m.attr("WARP_FACE") = py::dtype::of<WarpFace>();
    m.attr("EMULATED") = kEmulated;

    py::class_<CudaDevice>(m, "CudaDevice")
        .def_readonly("name", &CudaDevice::name)
        .def_readonly("major", &CudaDevice::major)
        .def_readonly("minor", &CudaDevice::minor)
        .def_readonly("integrated", &CudaDevice::integrated);
    py::class_<CudaProbe>(m, "CudaProbe")
        .def_readonly("runtime_version", &CudaProbe::runtime_version)
        .def_readonly("devices", &CudaProbe::devices)
        .def_readonly("reason", &CudaProbe::reason);

    py::class_<BoxSigns>(m, "BoxSigns")
        .def(py::init([](double fraction, double flattest, double highest, double tallest) {
                 return BoxSigns{fraction, flattest, highest, tallest};
             }),
             py::kw_only(), py::arg("fraction"), py::arg("flattest"), py::arg("highest"), py::arg("tallest"))
        .def("any", &BoxSigns::any, py::arg("boxes"), py::arg("width"), py::arg("height"), py::arg("fitted"));
    m.def(
        "yuv_matrix",
        [](YuvRule rule) {
            const YuvMatrix y = yuv_matrix(rule);
            return std::make_tuple(y.black, y.luma, y.u_blue, y.u_green, y.v_green, y.v_red);
        },
        py::arg("rule"));
    py::class_<NativeNetwork>(m, "NativeNetwork")
        .def(py::init<const py::buffer&, const std::string&>(), py::kw_only(), py::arg("file"), py::arg("isa"))
        .def_property_readonly("spec", [](const NativeNetwork& n) { return py::bytes(n.spec()); })
        .def_property_readonly("answers", [](const NativeNetwork& n) { return py::bytes(n.answers()); })
        .def_property_readonly("isa", &NativeNetwork::isa)
        .def_property_readonly("int8", [](const NativeNetwork& n) { return n.network()->integers(); })
        .def_property_readonly("size", [](const NativeNetwork& n) { return n.network()->size(); })
        .def_property_readonly("multiple", [](const NativeNetwork& n) { return n.network()->multiple(); })
        .def_property_readonly("columns", [](const NativeNetwork& n) { return n.network()->columns(); })
        .def(
            "output_shapes",
            [](const NativeNetwork& n, int height, int width) {
                std::vector<std::pair<int, int>> shapes;
                for (const OutputSize& output : n.network()->output_sizes(height, width))
                    shapes.emplace_back(output.rows, output.columns);
                return shapes;
            },
            py::arg("height"), py::arg("width"));
    py::class_<NativeRun>(m, "NativeRun")
        .def(py::init<const NativeNetwork&, int>(), py::kw_only(), py::arg("network"), py::arg("threads"))
        .def("run", &NativeRun::run, py::arg("pictures"), py::arg("outputs"));
    m.def("network_isa_names", [] {
        std::vector<std::string> names;
        for (const NetworkIsa& isa : usable_network_isas()) names.push_back(isa.name);
        return names;
    });
    m.def("roi_align", &run_roi_align, py::arg("maps"), py::arg("levels"), py::arg("boxes"), py::arg("out"),
          py::arg("isa"));
    m.def("suppress", &run_suppress, py::arg("boxes"), py::arg("limit"), py::arg("kept"), py::arg("isa"));
    m.attr("ROI_BINS") = kRoiBins;
    m.def("rolls_from_keypoints", &rolls_of_keypoints, py::arg("keypoints").noconvert(),
          py::arg("rolls_deg").noconvert());
    m.def("undo_turns", &undo, py::arg("turns_deg").noconvert(), py::arg("angles_deg").noconvert(),
          py::arg("rotations").noconvert());
    m.def("second_pass", &find_second_pass, py::arg("turns_deg").noconvert(), py::arg("rotations").noconvert(),
          py::arg("rows").noconvert(), py::arg("rolls_deg").noconvert());
    m.attr("SECOND_PASS_ROLL_DEG") = kSecondPassRollDeg;
    m.def("first_bad_box", &first_bad_box, py::arg("boxes"), py::arg("limit"));
    m.def("probe_cuda", &probe_cuda);
    m.def("isa_names", [] {
        std::vector<std::string> names;
        for (const Isa& isa : usable_isas()) names.push_back(isa.name);
        return names;
    });
    m.attr("MAX_BINS") = kMaxBins;
    m.attr("STRETCH") =
        py::dict(py::arg("SMALL_RANGE") = stretch::kSmallRange, py::arg("LOW_PERCENT") = stretch::kLowPercent,
                 py::arg("HIGH_PERCENT") = stretch::kHighPercent, py::arg("FLAT") = stretch::kFlat,
                 py::arg("SAMPLES") = stretch::kSamples, py::arg("TRIMMED") = stretch::kTrimmed,
                 py::arg("WIDER") = stretch::kWider, py::arg("FEWEST") = stretch::kFewest,
                 py::arg("BLENDED") = stretch::kBlended);
}

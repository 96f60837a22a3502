// The only file that knows Python. Arguments were checked in hpe_edge/ops.py; here arrays become views, the interpreter
// lock is released and C++ loops.
#include <pybind11/native_enum.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "crop_normalize.h"
#include "cuda_device.h"
#include "decode.h"
#include "isa.h"
#include "warp_normalize.h"

namespace py = pybind11;

namespace hpe {
namespace {

Isa find_isa(const std::string& name) {
    for (const Isa& isa : usable_isas())
        if (name.empty() || name == isa.name) return isa;
    throw std::invalid_argument("instruction set '" + name + "' is not usable on this processor");
}

Frame view_frame(const py::array& frame, const std::optional<py::array>& chroma, PixelFormat format) {
    Frame view{};
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

// How the network wants its input written.
enum class OutputType { kFloat32, kFloat16, kUint8 };

class CropNormalize {
public:
    CropNormalize(const std::array<double, 4>& margins, Square square, bool clip, bool antialias,
                  const std::array<float, 3>& fill, int size, bool swap_colors, const std::array<float, 3>& gain,
                  const std::array<float, 3>& bias, PixelFormat format, OutputType output, const std::string& isa)
        : format_(format), output_(output), isa_(find_isa(isa)) {
        for (int i = 0; i < 4; ++i) crop_.margin[i] = margins[i];
        crop_.square = square;
        crop_.clip = clip;
        crop_.antialias = antialias;
        input_.size = size;
        input_.swap_colors = swap_colors;
        for (int c = 0; c < 3; ++c) {
            crop_.fill[c] = fill[c];
            input_.gain[c] = gain[c];
            input_.bias[c] = bias[c];
        }
    }

    void boxes(const py::array& frame, const std::optional<py::array>& chroma, const py::array& boxes,
               py::array& out) const {
        const Frame view = view_frame(frame, chroma, format_);
        const Box* data = static_cast<const Box*>(boxes.data());
        const int count = static_cast<int>(boxes.shape(0));
        run(out, [&](auto* to) { crop_normalize(view, data, count, crop_, input_, *isa_.rows, to); });
    }

    void warp(const py::array& frame, const std::optional<py::array>& chroma, const py::array& homographies,
              py::array& out) const {
        const Frame view = view_frame(frame, chroma, format_);
        const Homography* data = static_cast<const Homography*>(homographies.data());
        const int count = static_cast<int>(homographies.shape(0));
        run(out, [&](auto* to) { warp_normalize(view, data, count, crop_, input_, *isa_.rows, to); });
    }

private:
    template <typename Loop>
    void run(py::array& out, const Loop& loop) const {
        void* to = out.mutable_data();
        const py::gil_scoped_release release;
        if (output_ == OutputType::kFloat32)
            loop(static_cast<float*>(to));
        else if (output_ == OutputType::kFloat16)
            loop(static_cast<Half*>(to));
        else
            loop(static_cast<uint8_t*>(to));
    }

    CropRule crop_{};
    InputRule input_{};
    PixelFormat format_;
    OutputType output_;
    Isa isa_;
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

class Decode {
public:
    Decode(DecodeKind kind, const std::vector<std::pair<int, int>>& places,
           const std::vector<std::tuple<float, float, int, bool>>& grids, const std::vector<float>& factors,
           const std::string& isa)
        : kind_(kind), isa_(find_isa(isa)) {
        for (const auto& [output, column] : places) places_.push_back({output, column});
        if (kind == DecodeKind::kBins) {
            BinGrid all[3];
            for (int h = 0; h < 3; ++h) {
                const auto& [first_deg, step_deg, count, circular] = grids.at(h);
                all[h] = {first_deg, step_deg, count, circular};
            }
            bins_ = make_bin_decode(all);
        } else
            for (int h = 0; h < 3; ++h) factors_[h] = factors.at(h);
    }

    void run(const std::vector<py::array>& outputs, py::array& angles, py::array& sigma, py::array& rotation) const {
        const int count = static_cast<int>(angles.shape(0));
        const PoseArrays out{static_cast<float*>(angles.mutable_data()), static_cast<float*>(sigma.mutable_data()),
                             static_cast<float*>(rotation.mutable_data())};
        HeadView heads[3]{};
        for (size_t h = 0; h < places_.size(); ++h) heads[h] = view_head(outputs, places_[h]);
        const py::gil_scoped_release release;
        switch (kind_) {
            case DecodeKind::kBins:
                return decode_bins(heads, count, bins_, *isa_.decode, out);
            case DecodeKind::kAngles:
                return decode_angles(heads, count, factors_, out);
            case DecodeKind::kRot6d:
                return decode_rot6d(heads[0], count, factors_, out);
            case DecodeKind::kMatrix:
                return decode_matrix(heads[0], count, factors_, out);
            case DecodeKind::kQuaternion:
                return decode_quaternion(heads[0], count, factors_, out);
        }
    }

private:
    DecodeKind kind_;
    Isa isa_;
    std::vector<HeadPlace> places_;
    BinDecode bins_;
    float factors_[3] = {1.0f, 1.0f, 1.0f};  // of angles; the signs of a rotation's triple
};

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

}  // namespace
}  // namespace hpe

PYBIND11_MODULE(_native, m) {
    using namespace hpe;
    m.doc() = "Fused crop and decode of hpe_edge. Arguments are checked by hpe_edge.ops; call that instead.";

    py::native_enum<PixelFormat>(m, "PixelFormat", "enum.Enum")
        .value("COLOR", PixelFormat::kColor)
        .value("GRAY8", PixelFormat::kGray8)
        .value("NV12", PixelFormat::kNv12)
        .finalize();
    py::native_enum<OutputType>(m, "OutputType", "enum.Enum")
        .value("FLOAT32", OutputType::kFloat32)
        .value("FLOAT16", OutputType::kFloat16)
        .value("UINT8", OutputType::kUint8)
        .finalize();
    py::native_enum<DecodeKind>(m, "DecodeKind", "enum.Enum")
        .value("BINS", DecodeKind::kBins)
        .value("ANGLES", DecodeKind::kAngles)
        .value("ROT6D", DecodeKind::kRot6d)
        .value("MATRIX", DecodeKind::kMatrix)
        .value("QUATERNION", DecodeKind::kQuaternion)
        .finalize();
    py::native_enum<Square>(m, "Square", "enum.Enum")
        .value("EXTEND", Square::kExtend)
        .value("SHRINK", Square::kShrink)
        .value("NONE", Square::kNone)
        .finalize();

    py::class_<CropNormalize>(m, "CropNormalize")
        .def(py::init<const std::array<double, 4>&, Square, bool, bool, const std::array<float, 3>&, int, bool,
                      const std::array<float, 3>&, const std::array<float, 3>&, PixelFormat, OutputType,
                      const std::string&>(),
             py::kw_only(), py::arg("margins"), py::arg("square"), py::arg("clip"), py::arg("antialias"),
             py::arg("fill"), py::arg("size"), py::arg("swap_colors"), py::arg("gain"), py::arg("bias"),
             py::arg("format"), py::arg("output"), py::arg("isa"))
        .def("boxes", &CropNormalize::boxes, py::arg("frame"), py::arg("chroma"), py::arg("boxes"), py::arg("out"))
        .def("warp", &CropNormalize::warp, py::arg("frame"), py::arg("chroma"), py::arg("homographies"),
             py::arg("out"));

    py::class_<Decode>(m, "Decode")
        .def(py::init<DecodeKind, const std::vector<std::pair<int, int>>&,
                      const std::vector<std::tuple<float, float, int, bool>>&, const std::vector<float>&,
                      const std::string&>(),
             py::kw_only(), py::arg("kind"), py::arg("places"), py::arg("grids"), py::arg("factors"), py::arg("isa"))
        .def("run", &Decode::run, py::arg("outputs"), py::arg("angles"), py::arg("sigma"), py::arg("rotation"));

    py::class_<CudaDevice>(m, "CudaDevice")
        .def_readonly("name", &CudaDevice::name)
        .def_readonly("major", &CudaDevice::major)
        .def_readonly("minor", &CudaDevice::minor)
        .def_readonly("integrated", &CudaDevice::integrated);
    py::class_<CudaProbe>(m, "CudaProbe")
        .def_readonly("runtime_version", &CudaProbe::runtime_version)
        .def_readonly("devices", &CudaProbe::devices)
        .def_readonly("reason", &CudaProbe::reason);

    m.def("first_bad_box", &first_bad_box, py::arg("boxes"), py::arg("limit"));
    m.def("probe_cuda", &probe_cuda);
    m.def("isa_names", [] {
        std::vector<std::string> names;
        for (const Isa& isa : usable_isas()) names.push_back(isa.name);
        return names;
    });
    m.attr("MAX_BINS") = kMaxBins;
}

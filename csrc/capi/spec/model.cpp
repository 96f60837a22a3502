#include "capi/spec/model.h"

#include <cmath>
#include <limits>
#include <set>

#include "capi/errors.h"
#include "capi/spec/fields.h"
#include "capi/spec/read_heads.h"

namespace hpe {
namespace {

constexpr int kFormat = 1;
constexpr double kMostMargin = 100.0;
constexpr double kMostGain = 1e30;  // in float32's range, also times 255

const std::vector<const char*> kPrecisions = {"fp32", "fp16", "int8", "int8+fp16"};

void read_crop(const Field& field, CropRule& rule) {
    Object crop(field);
    for (double& margin : rule.margin) margin = 0.0;
    if (crop.has("margins")) {
        const std::vector<double> margins = crop.take("margins").numbers(4);
        check_margins(margins.data(), HPE_INVALID_SPEC);
        for (int i = 0; i < 4; ++i) rule.margin[i] = margins[i];
    }
    static const Square squares[] = {Square::kExtend, Square::kShrink, Square::kNone};
    rule.square = squares[crop.has("square") ? crop.take("square").choice({"extend", "shrink", "none"}) : 0];
    rule.clip = crop.has("clip") && crop.take("clip").boolean();
    if (crop.has("fill")) {
        const Field given = crop.take("fill");
        const std::vector<double> fill = given.numbers(3);
        for (int i = 0; i < 3; ++i) {
            if (!(fill[i] >= 0 && fill[i] <= 255)) given.refuse("levels 0..255");
            rule.fill[i] = to_float(fill[i]);
        }
    }
    rule.antialias = crop.has("resampling") && crop.take("resampling").choice({"bilinear", "antialias"}) == 1;
    crop.done();
}

void read_input(const Field& field, Model& model) {
    static const OutputType types[] = {OutputType::kFloat32, OutputType::kFloat16, OutputType::kUint8};
    Object input(field);
    model.plan.input.size = input.take("size").whole(1, 4096);
    model.rgb = input.take("color").choice({"RGB", "BGR"}) == 0;
    const double scale = input.take("scale").number();
    const std::vector<double> mean = input.take("mean").numbers(3), std = input.take("std").numbers(3);
    model.input_name = input.has("name") ? input.take("name").text() : "image";
    model.plan.output = types[input.has("dtype") ? input.take("dtype").choice({"float32", "float16", "uint8"}) : 0];
    input.done();
    bool plain = scale == 1;
    for (int i = 0; i < 3; ++i) {
        if (!(scale > 0 && std[i] > 0)) field.refuse("of a scale and std above 0");
        const double gain = scale / std[i], bias = -mean[i] / std[i];
        if (!(gain < kMostGain && std::fabs(bias) < kMostGain))
            field.refuse("of scale, mean and std in float32's range");
        model.plan.input.gain[i] = to_float(gain);
        model.plan.input.bias[i] = to_float(bias);
        plain = plain && mean[i] == 0 && std[i] == 1;
    }
    if (model.plan.output == OutputType::kUint8 && !plain)
        field.refuse("of scale 1, mean 0 and std 1, because a uint8 input takes levels as they are");
}

void read_sigma(const Field& field, Model& model) {
    static const char* const angles[] = {"yaw", "pitch", "roll"};
    if (!has_bins(model.decode.kind))
        fail(HPE_INVALID_SPEC, "the spec calibrates sigma, but its decode gives none; export the model again");
    Object sigma(field);
    for (int i = 0; i < 3; ++i) {
        const Field given = sigma.take(angles[i]);
        const double factor = given.number();
        if (!(factor >= 1e-3 && factor <= 1e3)) given.refuse("a factor from 0.001 to 1000");
        model.decode.grid[i].sigma_factor = to_float(factor);
    }
    sigma.take("faces").any_whole();
    sigma.take("source").text();
    sigma.take("labelled").boolean();
    if (sigma.has("limit_deg")) {
        const Field limit = sigma.take("limit_deg");
        if (!limit.is_null()) {
            model.sigma_limit_deg = limit.number();
            if (!(model.sigma_limit_deg > 0)) limit.refuse("a number of degrees above 0");
        }
    }
    sigma.done();
    model.sigma_is_calibrated = true;
}

// What follows says where a model is from; it is checked, and not kept.

void check_gate(const Field& field) {
    if (field.is_null()) return;
    Object gate(field);
    gate.take("compared").text();
    gate.take("source").text();
    gate.take("faces").any_whole();
    for (const char* name : {"mean_deg", "p99_deg", "worst_deg"}) gate.take(name).number();
    if (gate.has("limits")) gate.take("limits").table(true);
    gate.done();
}

void check_origin(const Field& field) {
    Object origin(field);
    origin.take("checkpoint").text();
    origin.take("sha256").text();
    if (origin.has("tools")) origin.take("tools").table(false);
    if (origin.has("merged")) origin.take("merged").texts();
    origin.done();
}

void check_quantization(const Field& field) {
    Object step(field);
    step.renamed("numbers", "precision");
    step.take("precision").choice(kPrecisions);
    step.take("source").text();
    step.take("sha256").text();
    if (step.has("kept")) step.take("kept").texts();
    if (step.has("ranges")) step.take("ranges").text();
    if (step.has("tools")) step.take("tools").table(false);
    if (step.has("gate")) check_gate(step.take("gate"));
    step.done();
}

void read_fields(Object& spec, Model& model) {
    spec.renamed("reductions", "quantizations");
    model.architecture = spec.take("architecture").text();
    read_input(spec.take("input"), model);
    const Field outputs = spec.take("outputs");
    model.outputs = outputs.texts();
    if (std::set<std::string>(model.outputs.begin(), model.outputs.end()).size() != model.outputs.size())
        outputs.refuse("a list of different names");
    model.columns.assign(model.outputs.size(), 0);
    read_crop(spec.take("crop"), model.plan.crop);
    read_decode(spec.take("decode"), model);
    check_origin(spec.take("origin"));
    if (spec.has("gate")) check_gate(spec.take("gate"));
    if (spec.has("quantizations"))
        for (const Field& step : spec.take("quantizations").list()) check_quantization(step);
    if (spec.has("exported_precision")) spec.take("exported_precision").choice(kPrecisions);
    model.sigma_limit_deg = std::numeric_limits<double>::infinity();
    if (spec.has("sigma")) {
        const Field sigma = spec.take("sigma");
        if (!sigma.is_null()) read_sigma(sigma, model);
    }
    if (spec.has("upright")) {
        const Field upright = spec.take("upright");
        if (!upright.is_null())
            model.upright =
                upright.choice({"keypoints", "second-pass"}) == 0 ? HPE_UPRIGHT_KEYPOINTS : HPE_UPRIGHT_SECOND_PASS;
    }
    spec.done();
}

void check_format(const JsonValue& document) {
    const JsonValue* format = document.kind == JsonValue::Kind::kObject ? document.find("format") : nullptr;
    if (!format || format->kind != JsonValue::Kind::kNumber || !format->whole)
        fail(HPE_INVALID_SPEC, "the model's spec has no format number; export the model again");
    if (format->number > kFormat)
        fail(HPE_INVALID_SPEC, "the model's spec has format %.40s, this libhpe_edge reads up to %d: upgrade it",
             format->text.c_str(), kFormat);
    if (format->number < 1)
        fail(HPE_INVALID_SPEC, "the model's spec has format %.40s, which never existed; export the model again",
             format->text.c_str());
}

}  // namespace

void check_margins(const double margins[4], hpe_status status) {
    for (int i = 0; i < 4; ++i)
        if (!(std::fabs(margins[i]) <= kMostMargin))
            fail(status, "margins are fractions of the box, %g at most, got %g", kMostMargin, margins[i]);
    if (margins[0] + margins[2] <= -1 || margins[1] + margins[3] <= -1)
        fail(status, "margins %g %g %g %g leave nothing of the box: opposite ones must sum above -1", margins[0],
             margins[1], margins[2], margins[3]);
}

Model read_model(const char* json, size_t length) {
    const JsonValue document = parse_json(json, length);
    check_format(document);
    Model model;
    // An engine's description holds the spec, which has no format of its own there. Its other fields are the plan's.
    const JsonValue* inner = document.find("spec");
    Object spec(Field(inner ? *inner : document, "spec"));
    if (!inner) spec.take("format");
    read_fields(spec, model);
    if (has_bins(model.decode.kind))
        model.bins = make_bin_decode(model.decode.grid, model.decode.kind == DecodeKind::kBinsZxy);
    model.isa = usable_isas().front();
    return model;
}

}  // namespace hpe

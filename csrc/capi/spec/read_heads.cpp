#include "capi/spec/read_heads.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "capi/errors.h"

namespace hpe {
namespace {

constexpr int kMostColumns = 1 << 20;

void place_head(const std::string& output, int column, int width, Model& model) {
    const auto found = std::find(model.outputs.begin(), model.outputs.end(), output);
    if (found == model.outputs.end())
        fail(HPE_INVALID_SPEC,
             "the decode reads output '%s', which is not among the spec's outputs; export the model again",
             output.c_str());
    const int at = static_cast<int>(found - model.outputs.begin());
    model.heads.push_back({at, column});
    model.columns[at] = std::max(model.columns[at], column + width);
}

BinGrid read_bins(const Field& field, Model& model) {
    Object head(field);
    const std::string output = head.take("output").text();
    const int column = head.take("column").whole(0, kMostColumns - 1);
    const double first_deg = head.take("first_deg").number();
    const Field step = head.take("step_deg");
    const double step_deg = step.number();
    const int count = head.take("count").whole(1, kMaxBins);
    const bool circular = head.has("circular") && head.take("circular").boolean();
    head.done();
    if (step_deg == 0) step.refuse("a step other than 0");
    const double span = std::fabs(step_deg) * count;
    if (circular && !(std::fabs(span - 360.0) <= 1e-6 * std::max(span, 360.0)))
        fail(HPE_INVALID_SPEC, "%s is circular, which spans 360 degrees, got %d bins of %g degrees",
             field.where().c_str(), count, step_deg);
    place_head(output, column, count, model);
    return {to_float(first_deg), to_float(step_deg), count, circular, 1.0f};
}

float read_angle(const Field& field, Model& model) {
    Object head(field);
    const std::string output = head.take("output").text();
    const int column = head.take("column").whole(0, kMostColumns - 1);
    double factor = 1.0;
    if (head.has("factor")) {
        const Field given = head.take("factor");
        factor = given.number();
        if (factor == 0) given.refuse("a factor other than 0");
    }
    head.done();
    place_head(output, column, 1, model);
    return to_float(factor);
}

void read_rotation(Object& head, int width, Model& model) {
    const std::string output = head.take("output").text();
    const int column = head.has("column") ? head.take("column").whole(0, kMostColumns - 1) : 0;
    for (float& sign : model.decode.factors) sign = 1.0f;
    if (head.has("signs")) {
        const Field given = head.take("signs");
        const std::vector<double> signs = given.numbers(3);
        for (int i = 0; i < 3; ++i) {
            if (std::fabs(signs[i]) != 1) given.refuse("1 or -1 for yaw, pitch and roll");
            model.decode.factors[i] = to_float(signs[i]);
        }
    }
    place_head(output, column, width, model);
}

}  // namespace

float to_float(double value) {
    const double most = std::numeric_limits<float>::max();
    const float beyond = std::numeric_limits<float>::infinity();
    return value > most ? beyond : value < -most ? -beyond : static_cast<float>(value);
}

void read_decode(const Field& field, Model& model) {
    static const char* const angles[] = {"yaw", "pitch", "roll"};
    static const DecodeKind kinds[] = {DecodeKind::kBins, DecodeKind::kAngles, DecodeKind::kRot6d, DecodeKind::kMatrix,
                                       DecodeKind::kQuaternion};
    static const int widths[] = {0, 0, 6, 9, 4};
    Object decode(field);
    const int kind = decode.take("kind").choice({"bins", "angles", "rot6d", "matrix", "quaternion"});
    model.decode.kind = kinds[kind];
    if (model.decode.kind == DecodeKind::kBins) {
        for (int i = 0; i < 3; ++i) model.decode.grid[i] = read_bins(decode.take(angles[i]), model);
        if (decode.has("order") && decode.take("order").choice({"xyz", "zxy"}) == 1)
            model.decode.kind = DecodeKind::kBinsZxy;
    } else if (model.decode.kind == DecodeKind::kAngles) {
        for (int i = 0; i < 3; ++i) model.decode.factors[i] = read_angle(decode.take(angles[i]), model);
    } else {
        read_rotation(decode, widths[kind], model);
    }
    decode.done();
}

}  // namespace hpe

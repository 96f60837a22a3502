// Poses from DeepStream's tensors, by libhpe_edge.
//
// For nvinfer with network-type=1: parse-classifier-func-name=NvDsInferParseHeadPose. For programs in C and C++ with
// network-type=100 and output-tensor-meta=1: hpe_deepstream_pose reads an object's pose.
//
// The spec is head_pose.spec.json in this library's folder, of any model whose outputs the network gives.
//
// Compiled against headers with the documented declarations; not run on DeepStream.
#include <dlfcn.h>
#include <gst/gst.h>
#include <hpe_edge.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

// After gst.h, whose types they use.
#include "gstnvdsinfer.h"
#include "gstnvdsmeta.h"
#include "nvdsinfer_custom_impl.h"

#define HPE_EXPORT extern "C" __attribute__((visibility("default")))

namespace {

constexpr unsigned kHalfTurn = 180;  // attribute values have no sign
constexpr int kAngles = 3;
const char* const kNames[kAngles] = {"yaw", "pitch", "roll"};

struct Model {
    std::unique_ptr<hpe_spec, void (*)(hpe_spec*)> spec{nullptr, hpe_spec_free};
    std::vector<std::string> outputs;
    std::vector<int32_t> columns;
    std::string error;
};

std::string folder_of_this_library() {
    Dl_info info{};
    if (!dladdr(reinterpret_cast<void*>(&folder_of_this_library), &info) || !info.dli_fname) return ".";
    const std::string path = info.dli_fname;
    const size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : path.substr(0, slash);
}

Model read_model() {
    Model model;
    const std::string path = folder_of_this_library() + "/head_pose.spec.json";
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    if (!file) {
        model.error = "cannot read " + path + "; put this library into the folder of hpe-edge export deepstream";
        return model;
    }
    const std::string json = text.str();
    hpe_spec* spec = nullptr;
    hpe_spec_info info{};
    if (hpe_spec_read(json.data(), json.size(), &spec) != HPE_OK ||
        hpe_spec_describe(spec, &info, sizeof info) != HPE_OK) {
        model.error = path + ": " + hpe_last_error();
        hpe_spec_free(spec);
        return model;
    }
    model.spec.reset(spec);
    for (int32_t i = 0; i < info.output_count; ++i) {
        const char* name = nullptr;
        int32_t columns = 0;
        hpe_spec_output(spec, i, &name, &columns);
        model.outputs.push_back(name);
        model.columns.push_back(columns);
    }
    return model;
}

const Model& model() {
    static const Model found = read_model();  // once, by whichever thread comes first
    return found;
}

bool fail(const std::string& what) {
    std::fprintf(stderr, "hpe_deepstream: %s\n", what.c_str());
    return false;
}

struct Pose {
    float angles[kAngles], sigma[kAngles], rotation[9];
};

// The pose of one object; `buffer_of(layer, i)` is the host's memory of layer i.
template <typename Buffer>
bool decode(const NvDsInferLayerInfo* layers, size_t count, const Buffer& buffer_of, Pose& pose) {
    const Model& own = model();
    if (!own.spec) return fail(own.error);
    std::vector<hpe_output> outputs;
    const float* row = nullptr;
    unsigned width = 0;
    for (size_t k = 0; k < own.outputs.size(); ++k) {
        size_t at = 0;
        while (at < count && (!layers[at].layerName || own.outputs[k] != layers[at].layerName)) ++at;
        if (at == count)
            return fail("the network has no output " + own.outputs[k] + ", which head_pose.spec.json names");
        const NvDsInferLayerInfo& layer = layers[at];
        const unsigned columns = layer.inferDims.numElements;
        if (layer.dataType != FLOAT) return fail("output " + own.outputs[k] + " is not FP32");
        if (columns < static_cast<unsigned>(own.columns[k]))
            return fail("output " + own.outputs[k] + " has too few columns; write the folder again");
        row = static_cast<const float*>(buffer_of(layer, at));
        width = columns;
        if (!row) return fail("output " + own.outputs[k] + " was not copied to the host");
        outputs.push_back({row, static_cast<int64_t>(columns), static_cast<int64_t>(columns)});
    }
    const hpe_poses poses = {pose.angles, pose.sigma, pose.rotation};
    if (hpe_decode(own.spec.get(), outputs.data(), static_cast<int32_t>(outputs.size()), 1, &poses) != HPE_OK)
        return fail(hpe_last_error());
    // The exported model computes sigma itself, beside the angles.
    if (own.outputs.size() == 1 && own.outputs[0] == "pose_deg" && width >= 2 * kAngles)
        std::memcpy(pose.sigma, row + kAngles, sizeof pose.sigma);
    return true;
}

}  // namespace

// Labels "yaw=1.2345", "pitch=…" and "roll=…" in degrees, and all three as the description. An attribute's index is 0
// to 2, its value the angle in whole degrees plus 180.
HPE_EXPORT bool NvDsInferParseHeadPose(std::vector<NvDsInferLayerInfo> const& layers, NvDsInferNetworkInfo const&,
                                       float, std::vector<NvDsInferAttribute>& attributes, std::string& description) {
    Pose pose;
    const auto buffer_of = [](const NvDsInferLayerInfo& layer, size_t) { return layer.buffer; };
    if (!decode(layers.data(), layers.size(), buffer_of, pose)) return false;
    if (std::isnan(pose.angles[0])) return true;  // no pose: no label
    for (int i = 0; i < kAngles; ++i) {
        char label[32];
        std::snprintf(label, sizeof label, "%s=%.4f", kNames[i], pose.angles[i]);
        NvDsInferAttribute attribute{};
        attribute.attributeIndex = static_cast<unsigned>(i);
        attribute.attributeValue = static_cast<unsigned>(std::lround(pose.angles[i]) + kHalfTurn);
        attribute.attributeConfidence = 1.0f;
        attribute.attributeLabel = strdup(label);  // nvinfer frees it
        attributes.push_back(attribute);
        description += (i ? " " : "") + std::string(label);
    }
    return true;
}
CHECK_CUSTOM_CLASSIFIER_PARSE_FUNC_PROTOTYPE(NvDsInferParseHeadPose)

// Reads the pose that the nvinfer of this gie-unique-id gave an object: angles and sigma [3] in degrees, rotation [9],
// as hpe_decode has them. Returns 1, 0 where that nvinfer has not run on the object, or -1 after a message on the
// standard error. The metadata's lock is the caller's.
HPE_EXPORT int hpe_deepstream_pose(const NvDsObjectMeta* object, unsigned gie_id, float* angles, float* sigma,
                                   float* rotation) {
    for (const GList* node = object->obj_user_meta_list; node; node = node->next) {
        const auto* user = static_cast<const NvDsUserMeta*>(node->data);
        if (user->base_meta.meta_type != static_cast<NvDsMetaType>(NVDSINFER_TENSOR_OUTPUT_META)) continue;
        const auto* tensors = static_cast<const NvDsInferTensorMeta*>(user->user_meta_data);
        if (tensors->unique_id != gie_id) continue;
        Pose pose;
        const auto buffer_of = [&](const NvDsInferLayerInfo&, size_t at) { return tensors->out_buf_ptrs_host[at]; };
        if (!decode(tensors->output_layers_info, tensors->num_output_layers, buffer_of, pose)) return -1;
        std::memcpy(angles, pose.angles, sizeof pose.angles);
        std::memcpy(sigma, pose.sigma, sizeof pose.sigma);
        std::memcpy(rotation, pose.rotation, sizeof pose.rotation);
        return 1;
    }
    return 0;
}

// Calls the parser library as nvinfer and as a program do. Arguments: the library, then NAME=VALUE,VALUE… per output of
// one object. Prints the description and labels, then the pose as hpe_deepstream_pose gives it.
#include <dlfcn.h>
#include <gst/gst.h>

#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "gstnvdsinfer.h"
#include "gstnvdsmeta.h"
#include "nvdsinfer_custom_impl.h"

int main(int argc, char** argv) {
    void* library = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : nullptr;
    if (!library) return std::fprintf(stderr, "%s\n", dlerror()), 2;
    const auto parse = reinterpret_cast<NvDsInferClassiferParseCustomFunc>(dlsym(library, "NvDsInferParseHeadPose"));
    using Read = int (*)(const NvDsObjectMeta*, unsigned, float*, float*, float*);
    const auto read = reinterpret_cast<Read>(dlsym(library, "hpe_deepstream_pose"));
    if (!parse || !read) return 3;

    std::vector<std::string> names;
    std::vector<std::vector<float>> values;
    for (int i = 2; i < argc; ++i) {
        const std::string text = argv[i];
        const size_t equals = text.find('=');
        names.push_back(text.substr(0, equals));
        values.emplace_back();
        std::stringstream numbers(text.substr(equals + 1));
        for (std::string each; std::getline(numbers, each, ',');)
            values.back().push_back(std::strtof(each.c_str(), nullptr));
    }
    std::vector<NvDsInferLayerInfo> layers;
    std::vector<void*> host;
    for (size_t i = 0; i < names.size(); ++i) {
        NvDsInferLayerInfo layer{};
        layer.dataType = FLOAT;
        layer.inferDims.numDims = 1;
        layer.inferDims.d[0] = layer.inferDims.numElements = static_cast<unsigned>(values[i].size());
        layer.layerName = names[i].c_str();
        layer.buffer = values[i].data();
        layers.push_back(layer);
        host.push_back(values[i].data());
    }
    std::vector<NvDsInferAttribute> attributes;
    std::string description;
    if (!parse(layers, NvDsInferNetworkInfo{112, 112, 3}, 0.5f, attributes, description)) return 1;
    std::printf("%s\n", description.c_str());
    for (auto& each : attributes) {
        std::printf("%u %u %g %s\n", each.attributeIndex, each.attributeValue, each.attributeConfidence,
                    each.attributeLabel);
        std::free(each.attributeLabel);
    }

    for (auto& each : layers) each.buffer = nullptr;  // not valid in tensor metadata
    NvDsInferTensorMeta tensors{};
    tensors.unique_id = 2;
    tensors.num_output_layers = static_cast<guint>(layers.size());
    tensors.output_layers_info = layers.data();
    tensors.out_buf_ptrs_host = host.data();
    NvDsUserMeta other{}, mine{};
    other.base_meta.meta_type = NVDS_USER_META;
    mine.base_meta.meta_type = NVDSINFER_TENSOR_OUTPUT_META;
    mine.user_meta_data = &tensors;
    GList last{&mine, nullptr, nullptr}, first{&other, &last, nullptr};
    NvDsObjectMeta object{};
    object.obj_user_meta_list = &first;
    float angles[3], sigma[3], rotation[9];
    std::printf("%d", read(&object, 9, angles, sigma, rotation));
    std::printf(" %d", read(&object, 2, angles, sigma, rotation));
    for (float each : angles) std::printf(" %.9g", each);
    for (float each : sigma) std::printf(" %.9g", each);
    for (float each : rotation) std::printf(" %.9g", each);
    std::printf("\n");
    return 0;
}

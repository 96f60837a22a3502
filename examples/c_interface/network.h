// An ONNX file in ONNX Runtime, by its C API, on one thread: float32 in, float32 [N, columns] out.
#pragma once

#include <onnxruntime_c_api.h>

#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

class Network {
public:
    explicit Network(const std::string& path) {
        if (!ort_) throw std::runtime_error("this ONNX Runtime is older than its header");
        check(ort_->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "head_pose", own(env_)));
        Owned<OrtSessionOptions> options(nullptr, ort_->ReleaseSessionOptions);
        check(ort_->CreateSessionOptions(own(options)));
        check(ort_->SetIntraOpNumThreads(options.get(), 1));
        check(ort_->CreateSession(env_.get(), path.c_str(), options.get(), own(session_)));
        check(ort_->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, own(memory_)));
    }

    // An entry of the file's metadata; empty where there is none.
    std::string metadata(const char* key) const {
        OrtAllocator* allocator = nullptr;
        check(ort_->GetAllocatorWithDefaultOptions(&allocator));
        Owned<OrtModelMetadata> all(nullptr, ort_->ReleaseModelMetadata);
        check(ort_->SessionGetModelMetadata(session_.get(), own(all)));
        char* found = nullptr;
        check(ort_->ModelMetadataLookupCustomMetadataMap(all.get(), allocator, key, &found));
        if (!found) return "";
        const std::string text = found;
        check(ort_->AllocatorFree(allocator, found));
        return text;
    }

    struct Outputs {
        std::vector<std::shared_ptr<OrtValue>> values;  // keep the data
        std::vector<const float*> data;
        std::vector<int64_t> columns;
    };

    // input: [count, 3, size, size].
    Outputs run(std::vector<float>& input, int count, int size, const char* input_name,
                const std::vector<const char*>& output_names) const {
        const int64_t shape[] = {count, 3, size, size};
        Owned<OrtValue> tensor(nullptr, ort_->ReleaseValue);
        check(ort_->CreateTensorWithDataAsOrtValue(memory_.get(), input.data(), input.size() * sizeof(float), shape, 4,
                                                   ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, own(tensor)));
        const OrtValue* inputs[] = {tensor.get()};
        std::vector<OrtValue*> found(output_names.size(), nullptr);
        check(ort_->Run(session_.get(), nullptr, &input_name, inputs, 1, output_names.data(), output_names.size(),
                        found.data()));
        Outputs outputs;
        for (OrtValue* each : found) outputs.values.emplace_back(each, ort_->ReleaseValue);
        for (OrtValue* each : found) {
            void* data = nullptr;
            check(ort_->GetTensorMutableData(each, &data));
            outputs.data.push_back(static_cast<const float*>(data));
            outputs.columns.push_back(columns_of(each));
        }
        return outputs;
    }

private:
    template <typename T>
    using Owned = std::unique_ptr<T, void (*)(T*)>;

    // Lets a function of ONNX Runtime fill an owner.
    template <typename T>
    struct Filled {
        Owned<T>& owner;
        T* value = nullptr;
        ~Filled() { owner.reset(value); }
        operator T**() { return &value; }
    };
    template <typename T>
    static Filled<T> own(Owned<T>& owner) {
        return {owner};
    }

    void check(OrtStatus* status) const {
        if (!status) return;
        const std::string message = ort_->GetErrorMessage(status);
        ort_->ReleaseStatus(status);
        throw std::runtime_error(message);
    }

    int64_t columns_of(const OrtValue* value) const {
        Owned<OrtTensorTypeAndShapeInfo> info(nullptr, ort_->ReleaseTensorTypeAndShapeInfo);
        check(ort_->GetTensorTypeAndShape(value, own(info)));
        size_t rank = 0;
        check(ort_->GetDimensionsCount(info.get(), &rank));
        std::vector<int64_t> sides(rank);
        check(ort_->GetDimensions(info.get(), sides.data(), rank));
        return std::accumulate(sides.begin() + 1, sides.end(), int64_t{1}, std::multiplies<int64_t>());
    }

    const OrtApi* ort_ = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    Owned<OrtEnv> env_{nullptr, ort_->ReleaseEnv};
    Owned<OrtSession> session_{nullptr, ort_->ReleaseSession};
    Owned<OrtMemoryInfo> memory_{nullptr, ort_->ReleaseMemoryInfo};
};

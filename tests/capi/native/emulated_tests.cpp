// The calls of a GPU beside those of the CPU, with emulated launches.
#include <hpe_edge.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "spec_text.h"

namespace {

constexpr int kSize = 16, kFaces = 3, kWidth = 40, kHeight = 30;
constexpr size_t kValues = 3 * kSize * kSize * kFaces;

int failures = 0;

#define CHECK(condition)                                                                       \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            ++failures;                                                                        \
            std::printf("%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition, hpe_last_error()); \
        }                                                                                      \
    } while (0)

std::string antialiased(std::string spec) {
    const std::string end = "\"margins\": [0.1, 0.1, 0.1, 0.1]";
    return spec.insert(spec.find(end) + end.size(), ", \"resampling\": \"antialias\"");
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
    double largest = 0;
    for (size_t i = 0; i < a.size(); ++i) largest = std::fmax(largest, std::fabs(static_cast<double>(a[i]) - b[i]));
    return largest;
}

void crops(const hpe_spec* spec, const hpe_frame& frame) {
    const float boxes[4 * kFaces] = {3, 4, 20, 22, -4, 2, 17, 29, 20, 10, 45, 28};
    const float turns[kFaces] = {0, 25, -70};
    std::vector<float> cpu(kValues), gpu(kValues);
    const size_t bytes = kValues * sizeof(float);
    // Twice as many doubles as needed: records are aligned to 8 bytes.
    std::vector<double> records(kFaces * hpe_cuda_box_record_bytes() / sizeof(double) + 1);
    const size_t room = kFaces * hpe_cuda_box_record_bytes();
    CHECK(hpe_crop_normalize(spec, &frame, boxes, turns, kFaces, cpu.data(), bytes) == HPE_OK);
    CHECK(hpe_cuda_box_records(spec, &frame, boxes, turns, kFaces, records.data(), room) == HPE_OK);
    CHECK(hpe_cuda_crop_normalize(spec, records.data(), kFaces, gpu.data(), bytes, nullptr) == HPE_OK);
    // One level of 255, over the smallest deviation of 0.224, is 0.0175.
    CHECK(largest_difference(cpu, gpu) < 2e-3);
    CHECK(hpe_cuda_box_records(spec, &frame, boxes, turns, kFaces, records.data(), room - 1) == HPE_INVALID_ARGUMENT);
    CHECK(hpe_cuda_box_records(spec, &frame, boxes, turns, 1, nullptr, room) == HPE_INVALID_ARGUMENT);
    CHECK(hpe_cuda_crop_normalize(spec, records.data(), 4097, gpu.data(), bytes, nullptr) == HPE_INVALID_ARGUMENT);
    CHECK(hpe_cuda_crop_normalize(spec, nullptr, 1, gpu.data(), bytes, nullptr) == HPE_INVALID_ARGUMENT);
    CHECK(hpe_cuda_crop_normalize(spec, records.data(), kFaces, gpu.data(), bytes - 1, nullptr) ==
          HPE_INVALID_ARGUMENT);
}

void warps(const hpe_spec* spec, const hpe_frame& frame) {
    const double homographies[9 * kFaces] = {1.2, 0.1, 3, -0.2, 1.1, 4,   1e-3, 2e-3, 1,   0.5, 0, 1, 0, 0.5,
                                             2,   0,   0, 1,    1.5, 0.9, -8,   -0.8, 1.4, 3,   0, 0, 1};
    std::vector<float> cpu(kValues), gpu(kValues);
    const size_t bytes = kValues * sizeof(float), room = kFaces * hpe_cuda_warp_record_bytes();
    std::vector<double> records(room / sizeof(double) + 1);
    CHECK(hpe_warp_normalize(spec, &frame, homographies, kFaces, cpu.data(), bytes) == HPE_OK);
    CHECK(hpe_cuda_warp_records(spec, &frame, homographies, kFaces, records.data(), room) == HPE_OK);
    CHECK(hpe_cuda_warp_normalize(spec, records.data(), kFaces, gpu.data(), bytes, nullptr) == HPE_OK);
    CHECK(largest_difference(cpu, gpu) < 2e-3);
}

void stretches(const hpe_spec* spec) {
    std::vector<float> cpu(kValues);
    for (size_t i = 0; i < kValues; ++i) cpu[i] = static_cast<float>(i * 7 % 23) * (i < kValues / 3 ? 0.2f : 0.02f);
    std::vector<float> gpu = cpu, marks(kFaces, 9.0f);
    const size_t bytes = kValues * sizeof(float);
    uint8_t stretched[kFaces];
    CHECK(hpe_stretch(spec, cpu.data(), bytes, kFaces, stretched) == HPE_OK);
    CHECK(hpe_cuda_stretch(spec, gpu.data(), bytes, kFaces, marks.data(), nullptr) == HPE_OK);
    CHECK(largest_difference(cpu, gpu) < 1e-4);
    for (int i = 0; i < kFaces; ++i) CHECK(marks[i] == (i > 0) && stretched[i] == (i > 0));
    CHECK(hpe_cuda_stretch(spec, gpu.data(), bytes, kFaces, nullptr, nullptr) == HPE_INVALID_ARGUMENT);
    CHECK(hpe_cuda_stretch(spec, gpu.data(), bytes - 1, kFaces, marks.data(), nullptr) == HPE_INVALID_ARGUMENT);
    CHECK(hpe_cuda_stretch(spec, gpu.data(), bytes, 4097, marks.data(), nullptr) == HPE_INVALID_ARGUMENT);
}

void decodes(const hpe_spec* spec) {
    std::vector<float> logits(198 * kFaces), cpu(15 * kFaces), gpu(15 * kFaces);
    for (size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>(i % 23) * 0.3f;
    const hpe_output output{logits.data(), 198, 198};
    const auto poses = [](std::vector<float>& n) {
        return hpe_poses{n.data(), n.data() + 3 * kFaces, n.data() + 6 * kFaces};
    };
    const hpe_poses of_cpu = poses(cpu), of_gpu = poses(gpu);
    CHECK(hpe_decode(spec, &output, 1, kFaces, &of_cpu) == HPE_OK);
    CHECK(hpe_cuda_decode(spec, &output, 1, kFaces, &of_gpu, nullptr) == HPE_OK);
    CHECK(largest_difference(cpu, gpu) < 1e-3);
    CHECK(std::fabs(cpu[0]) > 1e-3);
}

}  // namespace

int main() {
    hpe_spec* spec = nullptr;
    CHECK(hpe_spec_read(bins_spec, std::strlen(bins_spec), &spec) == HPE_OK);
    (void)half_spec;
    (void)sigma_spec;
    (void)byte_spec;
    int32_t devices = 0;
    CHECK(hpe_cuda_devices(&devices) == HPE_OK && devices == 1);
    std::vector<uint8_t> bytes(kWidth * kHeight * 4), chroma(kWidth * kHeight / 2);
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 31 + i / 40);
    for (size_t i = 0; i < chroma.size(); ++i) chroma[i] = static_cast<uint8_t>(i * 17);
    const hpe_frame frames[] = {{bytes.data(), 3 * kWidth, nullptr, 0, kWidth, kHeight, HPE_BGR},
                                {bytes.data(), 3 * kWidth, nullptr, 0, kWidth, kHeight, HPE_RGB},
                                {bytes.data(), kWidth, nullptr, 0, kWidth, kHeight, HPE_GRAY8},
                                {bytes.data(), kWidth, chroma.data(), kWidth, kWidth, kHeight, HPE_NV12},
                                {bytes.data(), 4 * kWidth, nullptr, 0, kWidth, kHeight, HPE_BGRA},
                                {bytes.data(), 4 * kWidth, nullptr, 0, kWidth, kHeight, HPE_RGBA},
                                {bytes.data(), kWidth, chroma.data(), kWidth, kWidth, kHeight, HPE_NV12_601_FULL},
                                {bytes.data(), kWidth, chroma.data(), kWidth, kWidth, kHeight, HPE_NV12_709},
                                {bytes.data(), kWidth, chroma.data(), kWidth, kWidth, kHeight, HPE_NV12_709_FULL}};
    hpe_spec* smooth = nullptr;
    const std::string text = antialiased(bins_spec);
    CHECK(hpe_spec_read(text.data(), text.size(), &smooth) == HPE_OK);
    for (const hpe_spec* each : {spec, smooth})
        for (const hpe_frame& frame : frames) {
            crops(each, frame);
            warps(each, frame);
        }
    hpe_spec_free(smooth);
    stretches(spec);
    decodes(spec);
    hpe_spec_free(spec);
    std::printf(failures ? "%d checks failed\n" : "all checks of emulated launches passed\n", failures);
    return failures ? 1 : 0;
}

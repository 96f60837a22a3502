// Head poses of a JPEG file, in C++: libhpe_edge and ONNX Runtime's C API.
//
//     head_pose MODEL.onnx PICTURE.jpg X1 Y1 X2 Y2 [X1 Y1 X2 Y2 ...] [--runs N]
//
// Boxes are in pixels, from chin to eyebrows. Prints yaw, pitch and roll of each face in degrees, and their sigma; with
// --runs the median time of a call as well, the JPEG decoded.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

#include "head_pose.h"
#include "jpeg.h"

namespace {

float number(const char* text) {
    char* end = nullptr;
    const float value = std::strtof(text, &end);
    if (end == text || *end) throw std::runtime_error(std::string("not a number: ") + text);
    return value;
}

double median_us(const HeadPose& head_pose, const hpe_frame& frame, const std::vector<float>& boxes,
                 const std::vector<float>& turns, int runs) {
    std::vector<double> times;
    for (int i = 0; i < runs; ++i) {
        const auto start = std::chrono::steady_clock::now();
        head_pose(frame, boxes, turns);
        times.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
    }
    std::nth_element(times.begin(), times.begin() + runs / 2, times.end());
    return times[runs / 2];
}

}  // namespace

int main(int argc, char** argv) {
    try {
        int runs = 0;
        if (argc > 2 && std::string(argv[argc - 2]) == "--runs") {
            runs = static_cast<int>(number(argv[argc - 1]));
            argc -= 2;
        }
        if (argc < 7 || (argc - 3) % 4) {
            std::fprintf(stderr, "usage: head_pose MODEL.onnx PICTURE.jpg X1 Y1 X2 Y2 [...] [--runs N]\n");
            return 2;
        }
        std::vector<float> boxes;
        for (int i = 3; i < argc; ++i) boxes.push_back(number(argv[i]));
        const HeadPose head_pose(argv[1]);
        const Picture picture = read_jpeg(argv[2]);
        const hpe_frame frame{
            picture.rgb.data(), int64_t{3} * picture.width, nullptr, 0, picture.width, picture.height, HPE_RGB};
        // No key points are known here; hpe_turns_from_keypoints gives the turns where they are.
        const std::vector<float> turns(boxes.size() / 4, 0.0f);
        const Poses poses = head_pose(frame, boxes, turns);
        for (size_t i = 0; i < turns.size(); ++i) {
            const float *angles = &poses.angles_deg[3 * i], *sigma = &poses.sigma_deg[3 * i];
            std::printf("%.6f %.6f %.6f  sigma %.6f %.6f %.6f\n", angles[0], angles[1], angles[2], sigma[0], sigma[1],
                        sigma[2]);
        }
        if (runs > 0) std::printf("median_us %.2f\n", median_us(head_pose, frame, boxes, turns, runs));
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "head_pose: %s\n", error.what());
        return 1;
    }
}

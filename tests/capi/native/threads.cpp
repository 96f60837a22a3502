// Threads that share a spec, for the thread sanitizer: equal answers in all, and messages that do not mix.
#include <hpe_edge.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "spec_text.h"

namespace {

constexpr int kThreads = 4, kRounds = 60, kSize = 16, kFaces = 3;

std::atomic<int> failures{0};

void check(bool sound, const char* what) {
    if (!sound && ++failures <= 20) std::printf("%s (%s)\n", what, hpe_last_error());
}

struct Answer {
    std::vector<float> input = std::vector<float>(3 * kSize * kSize * kFaces);
    std::vector<float> numbers = std::vector<float>(15 * kFaces);
};

Answer work(const hpe_spec* spec, const std::vector<uint8_t>& bytes, const std::vector<float>& logits) {
    Answer answer;
    const hpe_frame frame{bytes.data(), 3 * 40, nullptr, 0, 40, 30, HPE_BGR};
    const float boxes[4 * kFaces] = {3, 4, 20, 22, -4, 2, 17, 29, 20, 10, 45, 28};
    const float turns[kFaces] = {0, 25, -70};
    check(hpe_crop_normalize(spec, &frame, boxes, turns, kFaces, answer.input.data(),
                             answer.input.size() * sizeof(float)) == HPE_OK,
          "crop");
    const hpe_output output{logits.data(), 198, 198};
    float* n = answer.numbers.data();
    const hpe_poses poses{n, n + 3 * kFaces, n + 6 * kFaces};
    check(hpe_decode(spec, &output, 1, kFaces, &poses) == HPE_OK, "decode");
    check(hpe_undo_turns(turns, kFaces, &poses) == HPE_OK, "undo_turns");
    return answer;
}

void run(int thread, const hpe_spec* spec, const std::vector<uint8_t>& bytes, const std::vector<float>& logits,
         const Answer& expected) {
    for (int round = 0; round < kRounds; ++round) {
        const Answer found = work(spec, bytes, logits);
        check(found.input == expected.input && found.numbers == expected.numbers, "another answer in a thread");
        // A failure of this thread alone: its message holds the thread's number.
        check(hpe_spec_output(spec, 100 + thread, nullptr, nullptr) == HPE_INVALID_ARGUMENT, "a bad index");
        std::this_thread::yield();
        check(std::strstr(hpe_last_error(), std::to_string(100 + thread).c_str()), "another thread's message");
        hpe_spec* own = nullptr;
        check(hpe_spec_read(bins_spec, std::strlen(bins_spec), &own) == HPE_OK, "spec_read");
        hpe_spec_free(own);
        int32_t devices = 0;
        hpe_cuda_devices(&devices);
    }
}

}  // namespace

int main() {
    std::vector<uint8_t> bytes(40 * 30 * 3);
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 31);
    std::vector<float> logits(198 * kFaces);
    for (size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>(i % 23) * 0.3f;
    hpe_spec* spec = nullptr;
    check(hpe_spec_read(bins_spec, std::strlen(bins_spec), &spec) == HPE_OK, "spec_read");
    (void)half_spec;
    (void)sigma_spec;
    (void)byte_spec;
    const Answer expected = work(spec, bytes, logits);
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i)
        threads.emplace_back(run, i, spec, std::cref(bytes), std::cref(logits), std::cref(expected));
    for (std::thread& each : threads) each.join();
    hpe_spec_free(spec);
    std::printf(failures ? "%d checks failed\n" : "all checks of threads passed\n", failures.load());
    return failures ? 1 : 0;
}

// A batch from records to poses, with a driver that notes its calls: faces and padding, what is waited for and in which
// order, and what is left behind when a call is refused.
#include <cstring>
#include <memory>
#include <string>

#include "check.h"
#include "crop/place_faces.h"
#include "cuda/batch_run.h"

namespace {

using namespace hpe;

std::string noted;     // a letter per call
char refused = 0;      // the call that fails
const float* written;  // what a launch leaves as poses
float poses[16 * 4];

int note(char letter) {
    noted += letter;
    return letter == refused ? 700 : 0;
}

int push(void*) {
    return note('<');
}
int pop(void**) {
    return note('>');
}
int copy_in(uint64_t to, const void* from, size_t bytes, void*) {
    if (refused != 'c') std::memcpy(reinterpret_cast<void*>(to), from, bytes);
    return note('c');
}
int record_event(void*, void*) {
    return note('r');
}
int wait_event(void*, void*, unsigned flags) {
    return note(flags == 0 ? 'w' : '?');
}
int launch_graph(void*, void*) {
    if (written) std::memcpy(poses, written, sizeof poses);
    return note('g');
}
int synchronize(void*) {
    return note('s');
}
int pointer_attribute(void* value, int attribute, uint64_t address) {
    if (attribute == 9)
        *static_cast<int*>(value) = address > 1000 ? 1 : 0;
    else
        *static_cast<void**>(value) = reinterpret_cast<void*>(address % 2 ? 5 : 0);
    return address == 0 ? 1 : 0;
}

const DriverCalls kCalls{push, pop, copy_in, record_event, wait_event, launch_graph, synchronize, pointer_attribute};

// Runs, and returns the error's code.
int code_of(const BatchRun& run, const Batch& batch) {
    try {
        run.run(batch, nullptr);
        return 0;
    } catch (const DriverError& error) {
        return error.code;
    }
}

void check_refusals(const BatchRun& run, const Batch& batch) {
    // What was enqueued is waited for, and the thread's context is the old one again.
    const struct {
        char call;
        const char* noted;
    } cases[] = {{'<', "<"}, {'c', "<cs>"}, {'r', "<crs>"}, {'w', "<crws>"}, {'g', "<crwrwgs>"}, {'s', "<crwrwgs>"}};
    for (const auto& each : cases) {
        noted.clear();
        refused = each.call;
        const int code = code_of(run, batch);
        CHECK(code == 700 && noted == each.noted, "refused %c: code %d after %s", each.call, code, noted.c_str());
    }
    refused = 0;
}

}  // namespace

void batch_tests() {
    // Of exactly their sizes, for the address sanitizer.
    std::vector<BoxFace> box_faces(4);
    std::vector<WarpFace> warp_faces(4);
    CropPlan plan{};
    plan.input.size = 8;
    const BatchRun run(kCalls, nullptr, nullptr, nullptr, plan, 4, box_faces.data(), warp_faces.data(), poses);
    const std::vector<Box> boxes{{1, 2, 3, 4}, {5, 6, 7, 8}, {9, 10, 11, 12}};
    const std::vector<float> turns{90.0f};
    const std::vector<Homography> homographies(2);
    std::vector<float> angles(9), sigma(9), rotation(27);
    const auto stretched = std::make_unique<bool[]>(3);
    std::vector<uint8_t> there(5);
    const std::vector<uint8_t> here{1, 2, 3, 4, 5};
    FrameRecord first{}, second{};
    first.width = 11;
    second.width = 22;
    const BatchPart one{first,         boxes.data(), nullptr,         turns.data(),   1,
                        angles.data(), sigma.data(), rotation.data(), stretched.get()};
    const BatchPart two{second,
                        boxes.data() + 1,
                        nullptr,
                        nullptr,
                        2,
                        angles.data() + 3,
                        sigma.data() + 3,
                        rotation.data() + 9,
                        stretched.get() + 1};
    Batch batch{4, {one, two}, {{reinterpret_cast<uint64_t>(there.data()), here.data(), 5}}, {nullptr, nullptr}};

    std::vector<float> said(16 * 4);
    for (size_t i = 0; i < said.size(); ++i) said[i] = static_cast<float>(i);
    said[61] = 0;  // the marks follow all poses
    written = said.data();
    noted.clear();
    CHECK(code_of(run, batch) == 0 && noted == "<crwrwgs>", "calls: %s", noted.c_str());
    CHECK(there == here, "the frame was not copied");
    for (int i = 0; i < 4; ++i) {
        const BoxFace& face = box_faces[i];
        const Box& box = boxes[lesser(i, 2)];  // the last face pads the batch
        const CropPlace want = place_box(face.frame, box, turn_of(i == 0 ? 90.0f : 0.0f), plan.crop, 8);
        CHECK(face.frame.width == (i == 0 ? 11 : 22), "frame of face %d", i);
        CHECK(face.place.x == want.x && face.place.y == want.y && face.place.row_x == want.row_x, "face %d", i);
        CHECK((face.place.sampling == static_cast<int32_t>(Sampling::kTurned)) == (i == 0), "turn of face %d", i);
    }
    // The decode writes all angles, then all sigmas, then all rotations, of the whole batch.
    for (int i = 0; i < 9; ++i) {
        CHECK(angles[i] == said[i] && sigma[i] == said[12 + i], "angle or sigma %d", i);
        for (int k = 0; k < 3; ++k) CHECK(rotation[3 * i + k] == said[24 + 3 * i + k], "rotation %d", i);
    }
    CHECK(stretched[0] && !stretched[1] && stretched[2], "marks of the stretch");
    check_refusals(run, batch);

    Batch warped{3, {{second, nullptr, homographies.data(), nullptr, 2, nullptr, nullptr, nullptr, nullptr}}, {}, {}};
    noted.clear();
    run.load(warped);
    CHECK(noted == "<>" && warp_faces[2].frame.width == 22, "homographies: %s", noted.c_str());
    for (const int size : {1, 5}) {  // too small for the faces, larger than the buffers
        warped.size = size;
        bool refusal = false;
        try {
            run.load(warped);
        } catch (const std::invalid_argument&) {
            refusal = true;
        }
        CHECK(refusal, "a batch of %d was taken", size);
    }

    noted.clear();
    run_graph(kCalls, nullptr, nullptr, nullptr);
    CHECK(noted == "<gs>", "graph: %s", noted.c_str());
    void* const context = reinterpret_cast<void*>(5);
    CHECK(owns_memory(kCalls, 7, 0, context) && owns_memory(kCalls, 8, 0, context), "own memory, and a pool's");
    CHECK(!owns_memory(kCalls, 0, 0, context), "memory that CUDA does not know");
    CHECK(!owns_memory(kCalls, 1002, 0, context) && !owns_memory(kCalls, 7, 0, nullptr), "another GPU's or context's");
}

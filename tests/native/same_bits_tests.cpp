// Crops, stretches, warps and decodes of every instruction set against the baseline's, to the bit; and the baseline's
// against a digest, which is the same on every processor that runs this.
#include <cstring>

#include "check.h"
#include "cpu/isa.h"
#include "crop/crop_normalize.h"
#include "crop/stretch.h"
#include "crop/turned_crop.h"
#include "crop/warp_normalize.h"
#include "decode/decode.h"
#include "decode/turns.h"

namespace {

using namespace hpe;

// After a change to a formula: what this test prints.
constexpr uint64_t kDigest = 0x5c4be826863f4652;

using Bytes = std::vector<uint8_t>;

// FNV-1a.
void digest(const Bytes& bytes, uint64_t& hash) {
    for (const uint8_t byte : bytes) hash = (hash ^ byte) * 1099511628211u;
}

template <typename T>
void append(const std::vector<T>& values, Bytes& bytes) {
    const auto* from = reinterpret_cast<const uint8_t*>(values.data());
    bytes.insert(bytes.end(), from, from + sizeof(T) * values.size());
}

// std::mt19937 is the same everywhere, std::uniform_real_distribution is not.
float between(std::mt19937& random, double low, double high) {
    return static_cast<float>(low + (high - low) * static_cast<double>(random()) / 4294967296.0);
}

template <typename T>
void crop_all(std::mt19937& random, const Isa& isa, int round, Bytes& bytes) {
    const auto format = static_cast<PixelFormat>(round % 4);
    const int columns = 2 * static_cast<int>(1 + random() % 100), rows = 2 * static_cast<int>(1 + random() % 100);
    TestFrame frame(columns, rows, format, 6, random);
    // Dark enough for the stretch in some rounds.
    if (round % 3 == 0)
        for (uint8_t& level : frame.luma) level = static_cast<uint8_t>(20 + level / 8);
    const float width = static_cast<float>(columns), height = static_cast<float>(rows);
    const float x = between(random, -0.2, 0.6) * width, y = between(random, -0.2, 0.6) * height;
    const Box box{x, y, x + between(random, 0.05, 1.0) * width, y + between(random, 0.05, 1.0) * height};
    const float margin = between(random, -0.2, 0.4), degrees = between(random, -180, 180);
    const CropRule crop{{margin, 0.1f, 0.125f, margin},
                        static_cast<Square>(random() % 3),
                        random() % 2 == 0,
                        random() % 4 != 0,
                        {10, 100, 250}};
    const int size = 16 + static_cast<int>(random() % 40);
    InputRule input{size, random() % 2 == 0, {0.0157f, 0.0171f, 0.0175f}, {-2.1f, -2.0f, -1.8f}};
    if (std::is_same_v<T, uint8_t>) input = {size, random() % 2 == 0, {1, 1, 1}, {0, 0, 0}};
    const Homography homography{
        {0.9 * columns / size, 0.3, between(random, -9, 9), -0.2, 0.8 * rows / size, 1.5, 1e-3, -5e-4, 1.0}};
    std::vector<T> out(static_cast<size_t>(3) * size * size);
    uint8_t stretched = 0;
    crop_normalize(frame.view, &box, 1, crop, input, *isa.rows, out.data());
    append(out, bytes);
    stretch_crops(stretch_rule(crop, input), out.data(), 1, &stretched);
    append(out, bytes);
    turned_crop(frame.view, box, turn_of(degrees), crop, input, *isa.turned, out.data());
    append(out, bytes);
    warp_normalize(frame.view, &homography, 1, crop, input, *isa.rows, out.data());
    append(out, bytes);
}

void decode_all(std::mt19937& random, const Isa& isa, int round, Bytes& bytes) {
    constexpr int kFaces = 9;
    const double spread = round % 3 == 0 ? 0.3 : round % 3 == 1 ? 8.0 : 60.0;
    std::vector<float> rows(static_cast<size_t>(kFaces) * 3 * 130);
    for (float& value : rows) value = between(random, -spread, spread);
    if (round % 4 == 0) rows[5] = NAN;
    std::vector<float> angles(3 * kFaces), sigma(3 * kFaces), rotation(9 * kFaces);
    const PoseArrays out{angles.data(), sigma.data(), rotation.data()};
    const auto keep = [&] {
        append(angles, bytes);
        append(sigma, bytes);
        append(rotation, bytes);
    };
    const HeadView heads[3] = {{rows.data(), 390}, {rows.data() + 130, 390}, {rows.data() + 260, 390}};
    const int count = 1 + static_cast<int>(random() % 130);
    const BinGrid grids[3] = {
        {-178.5f, 3, 120, true, 0.3f}, {-97.5f, 3, 66, false}, {-180, 360.0f / static_cast<float>(count), count, true}};
    const float signs[3] = {1, -1, 0.7f};
    for (const bool zxy : {false, true}) {
        decode_bins(heads, kFaces, make_bin_decode(grids, zxy), *isa.decode, out);
        keep();
    }
    decode_angles(heads, kFaces, signs, out);
    keep();
    std::vector<float> turns(kFaces), points(10 * kFaces);
    for (float& value : points) value = between(random, -40, 40);
    rolls_from_keypoints(points.data(), kFaces, turns.data());
    undo_turns(turns.data(), kFaces, out);
    keep();
    std::vector<int32_t> again(kFaces);
    second_pass(nullptr, kFaces, rotation.data(), again.data(), turns.data());
    append(turns, bytes);
    append(again, bytes);
    decode_rot6d(heads[0], kFaces, signs, out);
    keep();
    decode_matrix(heads[0], kFaces, signs, out);
    keep();
    decode_quaternion(heads[0], kFaces, signs, out);
    keep();
}

}  // namespace

void same_bits_tests() {
    uint64_t hash = 14695981039346656037u;
    for (int round = 0; round < 120; ++round) {
        Bytes want;
        const std::vector<Isa> isas = usable_isas();
        for (auto isa = isas.rbegin(); isa != isas.rend(); ++isa) {  // the baseline first
            std::mt19937 random(static_cast<unsigned>(round));
            Bytes got;
            crop_all<uint8_t>(random, *isa, round, got);
            crop_all<float>(random, *isa, round, got);
            crop_all<Half>(random, *isa, round, got);
            const size_t crops = got.size();
            decode_all(random, *isa, round, got);
            if (isa == isas.rbegin()) {
                want = got;
                digest(want, hash);
                continue;
            }
            size_t at = 0;
            while (at < got.size() && at < want.size() && got[at] == want[at]) ++at;
            CHECK(got == want, "%s, round %d: differs from the baseline at byte %zu, %s", isa->name, round, at,
                  at < crops ? "a crop" : "a decode");
        }
    }
    CHECK(hash == kDigest, "the digest is 0x%llx", static_cast<unsigned long long>(hash));
}

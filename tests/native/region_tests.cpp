// RoIAlign and suppression of every instruction set against double precision, from maps whose memory ends where they
// end, with boxes that lie outside, are empty, huge or no numbers.
#include "regions/roi_align.h"

#include <algorithm>

#include "check.h"
#include "cpu/isa.h"

using namespace hpe;

namespace {

double cell_of(const std::vector<float>& map, int height, int width, int channels, double y, double x, int c) {
    if (!(y >= -1 && y <= height && x >= -1 && x <= width)) return 0.0;
    y = std::fmin(std::fmax(y, 0.0), height - 1.0);
    x = std::fmin(std::fmax(x, 0.0), width - 1.0);
    const int top = static_cast<int>(y), left = static_cast<int>(x);
    double sum = 0.0;
    for (int dy = 0; dy < 2; ++dy)
        for (int dx = 0; dx < 2; ++dx) {
            const double weight = (dy ? y - top : 1.0 - (y - top)) * (dx ? x - left : 1.0 - (x - left));
            if (weight == 0.0) continue;
            sum += weight * map[(static_cast<size_t>(top + dy) * width + left + dx) * channels + c];
        }
    return sum;
}

void check_roi_align(const Isa& isa, int channels, std::mt19937& random) {
    std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
    const int sizes[2][2] = {{9, 13}, {1, 2}};
    std::vector<float> data[2];
    FeatureMap maps[2];
    for (int m = 0; m < 2; ++m) {
        data[m].resize(static_cast<size_t>(sizes[m][0]) * sizes[m][1] * channels);
        for (float& v : data[m]) v = uniform(random);
        maps[m] = {data[m].data(), sizes[m][0], sizes[m][1], m ? 0.125 : 0.25};
    }
    const float nan = NAN, inf = INFINITY;
    std::vector<Box> boxes = {{0, 0, 52, 36},
                              {51.9f, 35.9f, 52, 36},
                              {-4, -4, 0, 0},
                              {-400, -400, -300, -300},
                              {1e6f, 1e6f, 2e6f, 2e6f},
                              {-1e30f, -1e30f, 1e30f, 1e30f},
                              {5, 5, 5, 5},
                              {20, 20, 10, 10},
                              {nan, 0, 10, 10},
                              {0, 0, inf, 10},
                              {-inf, 0, inf, 10}};
    for (int i = 0; i < 20; ++i)
        boxes.push_back(
            {30 * uniform(random), 20 * uniform(random), 60 + 30 * uniform(random), 40 + 30 * uniform(random)});
    std::vector<int> level(boxes.size());
    for (size_t i = 0; i < boxes.size(); ++i) level[i] = static_cast<int>(i / 2 % 2);
    std::vector<float> out(boxes.size() * kRoiBins * kRoiBins * channels);
    roi_align(maps, level.data(), boxes.data(), static_cast<int>(boxes.size()), channels, *isa.regions, out.data());
    for (size_t i = 0; i < boxes.size(); ++i)
        for (int by = 0; by < kRoiBins; ++by)
            for (int bx = 0; bx < kRoiBins; ++bx)
                for (int c = 0; c < channels; ++c) {
                    const FeatureMap& map = maps[level[i]];
                    const double x = boxes[i].x1 * map.scale, y = boxes[i].y1 * map.scale;
                    double wide = boxes[i].x2 * map.scale - x, high = boxes[i].y2 * map.scale - y;
                    if (wide < 1) wide = 1;
                    if (high < 1) high = 1;
                    double want = 0.0;
                    for (int sy = 0; sy < 2; ++sy)
                        for (int sx = 0; sx < 2; ++sx)
                            want +=
                                cell_of(data[level[i]], map.height, map.width, channels,
                                        y + (by + (sy + 0.5) / 2) * high / 7, x + (bx + (sx + 0.5) / 2) * wide / 7, c) /
                                4;
                    const float got = out[((i * kRoiBins + by) * kRoiBins + bx) * channels + c];
                    CHECK(std::fabs(got - want) < 1e-5, "%s: box %zu bin %d %d channel %d of %d: %g, not %g", isa.name,
                          i, by, bx, c, channels, static_cast<double>(got), want);
                }
}

void check_suppress(const Isa& isa, int count, std::mt19937& random) {
    std::vector<Box> boxes;
    for (int i = 0; i < count; ++i) {
        // Whole numbers: the ratios are far from the limit, or exactly on it, for any rounding.
        const float x = static_cast<float>(random() % 40), y = static_cast<float>(random() % 40);
        boxes.push_back({x, y, x + static_cast<float>(random() % 20), y + static_cast<float>(random() % 20)});
    }
    if (count > 3) boxes[3] = {NAN, 0, 10, 10};
    for (const float limit : {0.0f, 0.25f, 0.5f, 1.0f}) {
        std::vector<int> kept(count), want;
        for (int i = 0; i < count; ++i) {
            bool clear = true;
            for (const int k : want) {
                const Box &a = boxes[k], &b = boxes[i];
                const double wide = std::fmax(0.0, std::fmin(a.x2, b.x2) - std::fmax(a.x1, b.x1));
                const double high = std::fmax(0.0, std::fmin(a.y2, b.y2) - std::fmax(a.y1, b.y1));
                const double both = wide * high;
                const double all = static_cast<double>(a.x2 - a.x1) * (a.y2 - a.y1) +
                                   static_cast<double>(b.x2 - b.x1) * (b.y2 - b.y1) - both;
                if (both / all > limit) clear = false;
            }
            if (clear) want.push_back(i);
        }
        kept.resize(suppress(boxes.data(), count, limit, count, *isa.regions, kept.data()));
        CHECK(kept == want, "%s: %d boxes, limit %g: %zu kept, not %zu", isa.name, count, static_cast<double>(limit),
              kept.size(), want.size());
        const int most = static_cast<int>(want.size()) / 2;
        std::vector<int> first(most);
        CHECK(suppress(boxes.data(), count, limit, most, *isa.regions, first.data()) == most, "%s: at most", isa.name);
        CHECK(std::equal(first.begin(), first.end(), want.begin()), "%s: the first %d", isa.name, most);
    }
}

}  // namespace

void region_tests() {
    std::mt19937 random(7);
    for (const Isa& isa : usable_isas()) {
        for (const int channels : {1, 15, 16, 17, 64}) check_roi_align(isa, channels, random);
        for (const int count : {0, 1, 2, 17, 200}) check_suppress(isa, count, random);
    }
}

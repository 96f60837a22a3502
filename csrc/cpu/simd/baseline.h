// 16 floats in plain C++: what every processor runs, and what the vector forms are compared with.
#pragma once

#include "common/exp.h"
#include "common/half.h"

namespace hpe::HPE_ISA {

struct Vec {
    float v[16];
};

template <typename T>
HPE_HD Vec load(const T* p) {
    Vec a;
    for (int i = 0; i < 16; ++i) a.v[i] = static_cast<float>(p[i]);
    return a;
}
// The first n < 16 values, then `rest`.
HPE_HD Vec load_first(const float* p, int n, float rest) {
    float whole[16];
    for (int i = 0; i < 16; ++i) whole[i] = i < n ? p[i] : rest;
    return load(whole);
}
HPE_HD Vec splat(float x) {
    Vec a;
    for (int i = 0; i < 16; ++i) a.v[i] = x;
    return a;
}
HPE_HD Vec mul(const Vec& a, const Vec& b) {
    Vec c;
    for (int i = 0; i < 16; ++i) c.v[i] = a.v[i] * b.v[i];
    return c;
}
HPE_HD Vec sub(const Vec& a, const Vec& b) {
    Vec c;
    for (int i = 0; i < 16; ++i) c.v[i] = a.v[i] - b.v[i];
    return c;
}
HPE_HD Vec add(const Vec& a, const Vec& b) {
    Vec c;
    for (int i = 0; i < 16; ++i) c.v[i] = a.v[i] + b.v[i];
    return c;
}
HPE_HD Vec maximum(const Vec& a, const Vec& b) {
    Vec c;
    for (int i = 0; i < 16; ++i) c.v[i] = greater(a.v[i], b.v[i]);
    return c;
}
HPE_HD void fill(Vec* a, float x) {
    *a = splat(x);
}
HPE_HD float sum_of(const Vec& a) {
    float four[4];
    for (int i = 0; i < 4; ++i) four[i] = (a.v[i] + a.v[i + 8]) + (a.v[i + 4] + a.v[i + 12]);
    return (four[0] + four[2]) + (four[1] + four[3]);
}
HPE_HD float maximum_of(const Vec& a) {
    float m = a.v[0];
    for (int i = 1; i < 16; ++i) m = greater(m, a.v[i]);
    return m;
}
HPE_HD Vec scale_by_power(const Vec& p, const Vec& shifted, const Vec& x) {
    Vec out;
    for (int i = 0; i < 16; ++i) out.v[i] = hpe::scale_by_power(p.v[i], shifted.v[i], x.v[i]);
    return out;
}

HPE_HD void store(float* p, const Vec& a) {
    for (int i = 0; i < 16; ++i) p[i] = a.v[i];
}

template <typename T>
HPE_HD void store_first(T* p, const Vec& a, int n) {
    for (int i = 0; i < 16 && i < n; ++i) store_value(a.v[i], p + i);
}

struct Planes {
    Vec c[3];
};

HPE_HD Planes sample_columns(const float* row, const int* first, const float* weight, int taps, int stride) {
    Planes planes;
    for (int i = 0; i < 16; ++i) {
        float sum[3] = {0.0f, 0.0f, 0.0f};
        for (int k = 0; k < taps; ++k) {
            const float* p = row + 3 * (first[i] + k);
            const float w = weight[k * stride + i];
            for (int c = 0; c < 3; ++c) sum[c] += w * p[c];
        }
        for (int c = 0; c < 3; ++c) planes.c[c].v[i] = sum[c];
    }
    return planes;
}

template <bool kNumbers>
HPE_HD int number_at(const uint8_t* row, int index) {
    if (!kNumbers) return row[index];
    uint16_t number;
    memcpy(&number, row + 2 * index, 2);
    return number;
}

template <bool kNumbers>
HPE_HD Planes sample_points(const uint8_t* source, ptrdiff_t row_stride_bytes, const TurnedPoints& points) {
    Planes planes;
    for (int i = 0; i < 16; ++i) {
        const uint8_t *p = source + points.offset[i], *q = p + row_stride_bytes;
        const int upper = static_cast<int>(points.upper[i] & 0xffffu);
        const int upper_right = static_cast<int>(points.upper[i] >> 16);
        const int lower = static_cast<int>(points.lower[i] & 0xffffu);
        const int lower_right = static_cast<int>(points.lower[i] >> 16);
        for (int c = 0; c < 3; ++c)
            planes.c[c].v[i] =
                static_cast<float>(upper * number_at<kNumbers>(p, c) + upper_right * number_at<kNumbers>(p, c + 3) +
                                   lower * number_at<kNumbers>(q, c) + lower_right * number_at<kNumbers>(q, c + 3));
    }
    return planes;
}

}  // namespace hpe::HPE_ISA

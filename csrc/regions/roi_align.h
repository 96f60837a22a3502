// RoIAlign over feature maps, and greedy non-maximum suppression: what a two-stage detector needs between its networks.
//
// RoIAlign as torchvision defines it with aligned=False: a box, scaled to the map, at least one cell on a side, is cut
// into kBins x kBins bins, each the mean of kSamples x kSamples bilinear samples. Coordinate 0 is the centre of the
// first cell; a sample within a cell of the edge takes the edge, one further out is 0. Maps are channels-last, so that
// a sample is four runs of floats; positions are in double, once per box.
//
// Source: He et al., Mask R-CNN, 2017, arXiv:1703.06870; torchvision.ops.roi_align and nms.
#pragma once

#include "cpu/kernels.h"
#include "crop/crop_normalize.h"

namespace hpe {

constexpr int kRoiBins = 7;     // on a side
constexpr int kRoiSamples = 2;  // of a bin, on a side

// Features [height, width, channels] of one level of a pyramid.
struct FeatureMap {
    const float* data;
    int height;
    int width;
    double scale;  // cells per pixel
};

// Every box from its level's map into `out` [count, kRoiBins, kRoiBins, channels]. A box with a NaN gives zeros.
void roi_align(const FeatureMap* maps, const int* level, const Box* boxes, int count, int channels,
               const RegionKernels& kernels, float* out);

// Greedy suppression of `boxes` [count], best first: each kept box drops the later ones whose intersection over union
// with it exceeds `limit`. Writes the kept places in order, at most `most`, and returns their number. Boxes without an
// area, and those with a NaN, neither drop nor are dropped.
int suppress(const Box* boxes, int count, float limit, int most, const RegionKernels& kernels, int* kept);

}  // namespace hpe

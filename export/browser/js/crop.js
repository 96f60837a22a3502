// Crop and normalise a face in one pass: cut the window, resize, swap channels, normalise; nothing is rounded between.

import { resizeAxis } from "./axis.js";
import { Planes, fillOf } from "./planes.js";
import { turnedCrop } from "./turned_crop.js";
import { cropWindow } from "./window.js";

/**
 * Writes the network's input of one face.
 * @param {import("./planes.js").Frame} frame
 * @param {number[]} box x1 y1 x2 y2
 * @param {number} turn_deg turn of the crop, clockwise
 * @param {import("./spec.js").Crop} crop
 * @param {import("./spec.js").Input} input
 * @param {Float32Array | Uint8Array} out [3, size, size]
 */
export function cropNormalize(frame, box, turn_deg, crop, input, out) {
  const { size } = input;
  const planes = new Planes(input, out, size * size);
  if (turn_deg !== 0) turnedCrop(frame, box, turn_deg, crop, size, fillOf(crop, input), planes);
  else
    resize(
      frame,
      cropWindow(box, crop, frame),
      size,
      size,
      crop.resampling === "antialias",
      fillOf(crop, input),
      planes,
    );
}

/**
 * Resizes a window of the frame to width x height pixels.
 * @param {import("./planes.js").Frame} frame
 * @param {import("./window.js").Window} window
 * @param {number} width
 * @param {number} height
 * @param {boolean} antialias
 * @param {number[]} fill red, green, blue outside the frame
 * @param {Planes} planes
 */
export function resize(frame, { sampled, cut }, width, height, antialias, fill, planes) {
  const [red, green, blue] = fill;
  if (!(sampled[2] > sampled[0] && sampled[3] > sampled[1])) {
    for (let at = 0; at < width * height; at++) planes.set(at, red, green, blue);
    return;
  }
  const x = resizeAxis(sampled[0], sampled[2], cut[0], cut[2], width, frame.width, antialias);
  const y = resizeAxis(sampled[1], sampled[3], cut[1], cut[3], height, frame.height, antialias);
  const rows = new Rows(frame, x, y.stride + 1, fill);
  const sums = new Float32Array(3 * width);
  const beside = Float32Array.from(sums, (_, at) => fill[at % 3]); // a row outside the frame
  for (let row = 0; row < height; row++) {
    sums.fill(0);
    if (y.outside[row] !== 0) for (let at = 0; at < 3 * width; at++) sums[at] = y.outside[row] * beside[at];
    for (let k = 0; k < y.count[row]; k++) {
      const weight = y.weights[row * y.stride + k];
      const levels = rows.at(y.first[row] + k);
      for (let at = 0; at < 3 * width; at++) sums[at] += weight * levels[at];
    }
    for (let column = 0, at = row * width; column < width; column++, at++) {
      planes.set(at, sums[3 * column], sums[3 * column + 1], sums[3 * column + 2]);
    }
  }
}

/** Rows of the frame, resized along x. Outputs ask for them downwards, so only the last ones are kept. */
class Rows {
  constructor(frame, axis, most, fill) {
    this.frame = frame;
    this.axis = axis;
    this.most = most;
    this.fill = fill;
    this.kept = new Map();
  }

  at(y) {
    let row = this.kept.get(y);
    if (row !== undefined) return row;
    if (this.kept.size < this.most) row = new Float32Array(3 * this.axis.first.length);
    else {
      const [[oldest, levels]] = this.kept;
      this.kept.delete(oldest);
      row = levels;
    }
    this.kept.set(y, row);
    this.resize(y, row);
    return row;
  }

  resize(y, row) {
    const { data, width } = this.frame;
    const { first, count, weights, stride, outside } = this.axis;
    const [fillRed, fillGreen, fillBlue] = this.fill;
    for (let i = 0; i < first.length; i++) {
      let red = outside[i] * fillRed;
      let green = outside[i] * fillGreen;
      let blue = outside[i] * fillBlue;
      let at = 4 * (y * width + first[i]);
      for (let k = i * stride, end = k + count[i]; k < end; k++, at += 4) {
        const weight = weights[k];
        red += weight * data[at];
        green += weight * data[at + 1];
        blue += weight * data[at + 2];
      }
      row[3 * i] = red;
      row[3 * i + 1] = green;
      row[3 * i + 2] = blue;
    }
  }
}

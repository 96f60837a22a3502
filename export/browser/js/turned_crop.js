// Turned crops: the window turned about the centre of its box, so that a face of that roll stands upright in it; see
// csrc/crop/turned_crop.h. Samples are bilinear, of the pixels, or, with antialiasing, of means along the frame's axes.

import { grownWindow } from "./window.js";

const MOST_REDUCED = 128;

/**
 * @param {import("./planes.js").Frame} frame
 * @param {number[]} box
 * @param {number} turn_deg
 * @param {import("./spec.js").Crop} crop
 * @param {number} size
 * @param {number[]} fill red, green, blue
 * @param {import("./planes.js").Planes} planes
 */
export function turnedCrop(frame, [x1, y1, x2, y2], turn_deg, crop, size, fill, planes) {
  const cosine = Math.cos((turn_deg * Math.PI) / 180);
  const sine = Math.sin((turn_deg * Math.PI) / 180);
  let halves = [(x2 - x1) / 2, (y2 - y1) / 2];
  if (cosine * cosine < sine * sine) halves = [halves[1], halves[0]]; // of a box that lies along the frame's axes
  const { sampled } = grownWindow([-halves[0], -halves[1], halves[0], halves[1]], crop);
  const scale = [(sampled[2] - sampled[0]) / size, (sampled[3] - sampled[1]) / size];
  const filters = meansFor(crop, scale, cosine, sine);
  const patch = new Patch(frame, filters, fill);
  const middle = [(x1 + x2) / 2, (y1 + y2) / 2];
  for (let row = 0, at = 0; row < size; row++) {
    const v = sampled[1] + (row + 0.5) * scale[1];
    for (let column = 0; column < size; column++, at++) {
      const u = sampled[0] + (column + 0.5) * scale[0];
      patch.sample(middle[0] + cosine * u - sine * v, middle[1] + sine * u + cosine * v);
      planes.set(at, patch.red, patch.green, patch.blue);
    }
  }
}

/**
 * The filters across and down the frame.
 * @returns {{factor: number, step: number}[]}
 */
function meansFor(crop, scale, cosine, sine) {
  if (crop.resampling !== "antialias")
    return [
      { factor: 1, step: 1 },
      { factor: 1, step: 1 },
    ];
  const [wide, high] = scale.map((each) => Math.max(each, 1) ** 2);
  const [c, s] = [cosine * cosine, sine * sine];
  return [filterLike(c * wide + s * high), filterLike(s * wide + c * high)];
}

/**
 * Means of `factor` pixels, `step` pixels apart, that blur most nearly as much as a triangle of that squared half-width.
 * Six times the variances are compared: means of k pixels, sampled bilinearly k apart, have 1.5 k^2 - 0.5.
 */
function filterLike(square) {
  const blur = (k) => 1.5 * k * k - 0.5;
  if (square * square < 2.5) return { factor: 1, step: 1 };
  if (square * square < 2.5 * blur(2)) return { factor: 2, step: 1 };
  let k = Math.max(Math.floor(Math.sqrt((2 * Math.min(square, 1e9) + 1) / 3)), 2);
  if (square * square > blur(k) * blur(k + 1)) k++;
  k = Math.min(k, MOST_REDUCED);
  return { factor: k, step: k };
}

/** Means of the frame, made when they are first read. Outside the frame lies the fill. */
class Patch {
  constructor(frame, filters, fill) {
    const [across, down] = filters;
    this.frame = frame;
    this.across = across;
    this.down = down;
    this.fill = fill;
    // Means below `low` and from `high` on are all fill; one on either side stands for them.
    this.low = [across, down].map(({ factor, step }) => -Math.ceil(factor / step) - 1);
    const sides = [frame.width, frame.height];
    this.high = [across, down].map(({ step }, i) => Math.ceil(sides[i] / step) + 1);
    this.width = this.high[0] - this.low[0] + 1;
    this.rows = new Map();
    this.red = this.green = this.blue = 0;
  }

  /** Mixes the four means about a point of the frame into `red`, `green` and `blue`. */
  sample(x, y) {
    const { across, down, low, high } = this;
    const px = Math.min(Math.max((x - across.factor / 2) / across.step, low[0]), high[0] - 1);
    const py = Math.min(Math.max((y - down.factor / 2) / down.step, low[1]), high[1] - 1);
    const column = Math.floor(px);
    const row = Math.floor(py);
    const [tx, ty] = [px - column, py - row];
    const [upper, lower] = [this.rowOf(row), this.rowOf(row + 1)];
    const left = this.meanOf(upper, row, column);
    this.meanOf(upper, row, column + 1);
    this.meanOf(lower, row + 1, column);
    this.meanOf(lower, row + 1, column + 1);
    const [a, b, c, d] = [(1 - tx) * (1 - ty), tx * (1 - ty), (1 - tx) * ty, tx * ty];
    this.red = a * upper[left] + b * upper[left + 3] + c * lower[left] + d * lower[left + 3];
    this.green = a * upper[left + 1] + b * upper[left + 4] + c * lower[left + 1] + d * lower[left + 4];
    this.blue = a * upper[left + 2] + b * upper[left + 5] + c * lower[left + 2] + d * lower[left + 5];
  }

  rowOf(row) {
    let means = this.rows.get(row);
    if (means === undefined) {
      means = new Float32Array(3 * this.width).fill(NaN);
      this.rows.set(row, means);
    }
    return means;
  }

  /** Makes sure that a mean is known; returns its place in the row. */
  meanOf(means, row, column) {
    const at = 3 * (column - this.low[0]);
    if (!Number.isNaN(means[at])) return at;
    const { frame, across, down, fill } = this;
    const [left, right] = [
      Math.max(column * across.step, 0),
      Math.min(column * across.step + across.factor, frame.width),
    ];
    const [top, bottom] = [Math.max(row * down.step, 0), Math.min(row * down.step + down.factor, frame.height)];
    let [red, green, blue, inside] = [0, 0, 0, 0];
    for (let y = top; y < bottom; y++) {
      for (let x = left, from = 4 * (y * frame.width + left); x < right; x++, from += 4) {
        red += frame.data[from];
        green += frame.data[from + 1];
        blue += frame.data[from + 2];
        inside++;
      }
    }
    const all = across.factor * down.factor;
    means[at] = (red + (all - inside) * fill[0]) / all;
    means[at + 1] = (green + (all - inside) * fill[1]) / all;
    means[at + 2] = (blue + (all - inside) * fill[2]) / all;
    return at;
  }
}

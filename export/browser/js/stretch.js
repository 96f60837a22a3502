// Contrast stretch of dark and flat crops: the first to the 99th percentile of their levels becomes 0 to 255; see
// csrc/crop/stretch.h, whose constants these are.

export const SMALL_RANGE = 64; // levels between the percentiles below which a crop is stretched
const PERCENTILES = [0.01, 0.99];
const FLAT = 2; // levels; a crop of one colour has no contrast to stretch
const SAMPLES = 16; // of a side, for the first judgement
const TRIMMED = 0.02; // part of the samples left out at each end
const WIDER = 1.25; // how much wider a range they may have
const FEWEST = 0.1; // part of the crop that lies in the frame
const BLENDED = 2; // pixels at the frame's edge that mix with the fill

/** Stretch of a model's crops, in place. */
export class ContrastStretch {
  /**
   * @param {import("./spec.js").Crop} crop the fill outside the frame is not counted, and not changed
   * @param {import("./spec.js").Input} input
   */
  constructor(crop, input) {
    this.size = input.size;
    this.step = Math.max(1, Math.floor(input.size / SAMPLES));
    this.gain = input.std.map((std) => input.scale / std);
    this.bias = input.mean.map((mean, i) => -mean / input.std[i]);
    this.fill = crop.fill;
    this.rounds = input.dtype === "uint8";
    this.wide = WIDER * SMALL_RANGE * this.gain[1];
    const filled = crop.fill[1] * this.gain[1] + this.bias[1];
    this.filled = this.rounds ? Math.trunc(filled) : Math.fround(filled);
  }

  /**
   * Stretches a crop of small range.
   * @param {Float32Array | Uint8Array} crop [3, size, size], normalised
   * @returns {boolean} it was one
   */
  apply(crop) {
    return this.isSuspect(crop) && this.stretch(crop);
  }

  /** Its samples of one channel have a small range; quick, and rather too many. */
  isSuspect(crop) {
    const { size, step, filled } = this;
    const side = Math.ceil(size / step);
    const grid = Array.from({ length: side * side }, (_, i) => {
      return crop[(size + Math.floor(i / side) * step) * size + (i % side) * step];
    });
    if (grid.filter((level) => level === filled).length <= Math.floor(TRIMMED * grid.length))
      return this.isNarrow(grid);
    // Without the fill, which may be all that widens the range.
    const inside = shrunk(
      grid.map((level) => level !== filled),
      side,
      1,
    );
    return this.isNarrow(grid.filter((_, i) => inside[i]));
  }

  isNarrow(samples) {
    if (samples.length === 0) return false;
    const sorted = Float32Array.from(samples).sort();
    const trimmed = Math.floor(TRIMMED * sorted.length);
    return !(sorted[sorted.length - 1 - trimmed] - sorted[trimmed] >= this.wide);
  }

  stretch(crop) {
    const { size, gain, bias, fill } = this;
    const pixels = size * size;
    if (!crop.every(Number.isFinite)) return false;
    const levels = Float32Array.from(crop, (value, at) => {
      const channel = Math.floor(at / pixels);
      return (value - bias[channel]) / gain[channel];
    });
    const valued = Array.from({ length: pixels }, (_, at) => {
      return fill.some((level, channel) => Math.abs(levels[channel * pixels + at] - level) > 0.5);
    });
    const inside = shrunk(valued, size, BLENDED);
    const counted = levels.filter((_, at) => inside[at % pixels]);
    if (counted.length < FEWEST * levels.length) return false;
    const sorted = counted.sort();
    const [low, high] = PERCENTILES.map((part) => percentile(sorted, part));
    if (!(FLAT <= high - low && high - low < SMALL_RANGE)) return false;
    const widened = 255 / (high - low);
    levels.forEach((level, at) => {
      if (!inside[at % pixels]) return;
      const channel = Math.floor(at / pixels);
      const full = Math.min(Math.max((level - low) * widened, 0), 255);
      const value = full * gain[channel] + bias[channel];
      crop[at] = this.rounds ? Math.round(value) : value;
    });
    return true;
  }
}

/** @param {Float32Array} sorted @param {number} part 0 to 1 */
function percentile(sorted, part) {
  const at = part * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}

/** Takes the pixels up to `by` beside those outside away as well, which mix with the fill. */
function shrunk(inside, side, by) {
  if (inside.every(Boolean)) return inside;
  return inside.map((is, at) => {
    const [row, column] = [Math.floor(at / side), at % side];
    for (let shift = 1; shift <= by && is; shift++) {
      if (row >= shift && !inside[at - shift * side]) is = false;
      if (row + shift < side && !inside[at + shift * side]) is = false;
      if (column >= shift && !inside[at - shift]) is = false;
      if (column + shift < side && !inside[at + shift]) is = false;
    }
    return is;
  });
}

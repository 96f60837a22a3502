// One axis of a resize: for each output the frame's pixels that it mixes, and their weights.
//
// Pixel p covers [p, p + 1), its centre is p + 0.5. The filter is a triangle about the sample point, normalised over the
// pixels of the cut; its half-width is 1 pixel, and with antialiasing the scale where that is larger.

const SLIVER = 1e-3; // a window that reaches less than this into a pixel does not hold it

/**
 * @typedef {object} Axis
 * @property {Int32Array} first per output the first pixel of the frame
 * @property {Int32Array} count per output the number of consecutive pixels, 0 where all lie outside
 * @property {Float64Array} weights `stride` per output
 * @property {number} stride
 * @property {Float64Array} outside per output the weight of pixels outside the frame
 */

/**
 * @param {number} from edge of the window
 * @param {number} to its other edge, further
 * @param {number} cutFrom edge of the cut
 * @param {number} cutTo
 * @param {number} size number of outputs
 * @param {number} pixels of the frame along this axis
 * @param {boolean} antialias
 * @returns {Axis}
 */
export function resizeAxis(from, to, cutFrom, cutTo, size, pixels, antialias) {
  const scale = (to - from) / size;
  const half = antialias ? Math.max(scale, 1) : 1;
  const cutFirst = Math.floor(cutFrom + SLIVER);
  const cutLast = Math.max(Math.ceil(cutTo - SLIVER) - 1, cutFirst);
  const stride = Math.min(Math.ceil(2 * half) + 1, pixels);
  const axis = {
    first: new Int32Array(size),
    count: new Int32Array(size),
    weights: new Float64Array(size * stride),
    stride,
    outside: new Float64Array(size),
  };
  for (let i = 0; i < size; i++) {
    const center = from + (i + 0.5) * scale;
    let first = Math.max(cutFirst, Math.floor(center - half - 0.5) + 1);
    let last = Math.min(cutLast, Math.ceil(center + half - 0.5) - 1);
    // Rounding can put the last centre on the cut's edge: the edge pixel then stands alone.
    if (first > last) first = last = Math.min(Math.max(first, cutFirst), cutLast);
    let total = 0;
    let inside = 0;
    axis.first[i] = Math.max(first, 0);
    for (let p = first; p <= last; p++) {
      const weight = Math.max(1 - Math.abs(p + 0.5 - center) / half, 1e-12);
      total += weight;
      if (p < 0 || p >= pixels) continue;
      inside += weight;
      axis.weights[i * stride + axis.count[i]++] = weight;
    }
    for (let k = 0; k < axis.count[i]; k++) axis.weights[i * stride + k] /= total;
    axis.outside[i] = 1 - inside / total;
  }
  return axis;
}

// From a box to the window of the frame that becomes the network's input, as csrc/crop/crop_normalize.h has it.

/**
 * @typedef {[number, number, number, number]} Box x1 y1 x2 y2 in pixels, x2 and y2 exclusive
 * @typedef {{sampled: number[], cut: number[]}} Window `sampled` is resized; sampling sees the pixels of `cut`
 */

/**
 * The window of a box, which is not clipped.
 * @param {number[]} box
 * @param {import("./spec.js").Crop} crop
 * @returns {Window}
 */
export function grownWindow([x1, y1, x2, y2], crop) {
  const [left, top, right, bottom] = crop.margins;
  const grown = [x1 - left * (x2 - x1), y1 - top * (y2 - y1), x2 + right * (x2 - x1), y2 + bottom * (y2 - y1)];
  if (crop.square === "none") return { sampled: grown, cut: grown };
  const width = grown[2] - grown[0];
  const height = grown[3] - grown[1];
  const side = crop.square === "extend" ? Math.max(width, height) : Math.min(width, height);
  const [x, y] = [(grown[0] + grown[2]) / 2, (grown[1] + grown[3]) / 2];
  const square = [x - side / 2, y - side / 2, x + side / 2, y + side / 2];
  return { sampled: square, cut: crop.square === "shrink" ? grown : square };
}

/**
 * The window of a box in a frame.
 * @param {number[]} box
 * @param {import("./spec.js").Crop} crop
 * @param {{width: number, height: number}} frame
 * @returns {Window}
 */
export function cropWindow(box, crop, frame) {
  const whole = grownWindow(box, crop);
  if (!crop.clip) return whole;
  const clip = (corners) => corners.map((at, i) => Math.min(Math.max(at, 0), i % 2 ? frame.height : frame.width));
  return { sampled: clip(whole.sampled), cut: clip(whole.cut) };
}

// The network's input: three planes of one face, in its colour order, value = (level * scale - mean) / std.

/**
 * @typedef {{data: Uint8ClampedArray | Uint8Array, width: number, height: number}} Frame RGBA, as ImageData; alpha is
 *   not looked at
 */

/** Writes levels into the planes of one face. */
export class Planes {
  /**
   * @param {import("./spec.js").Input} input
   * @param {Float32Array | Uint8Array} out of one face, planes one after the other
   * @param {number} pixels of a plane
   */
  constructor(input, out, pixels) {
    this.out = out;
    // Where red, green and blue go, and how.
    this.plane = (input.color === "RGB" ? [0, 1, 2] : [2, 1, 0]).map((k) => k * pixels);
    const order = input.color === "RGB" ? [0, 1, 2] : [2, 1, 0];
    this.gain = order.map((k) => input.scale / input.std[k]);
    this.bias = order.map((k) => -input.mean[k] / input.std[k]);
    this.rounded = input.dtype === "uint8";
  }

  /**
   * @param {number} at the pixel's number
   * @param {number} red
   * @param {number} green
   * @param {number} blue levels
   */
  set(at, red, green, blue) {
    const { out, plane, gain, bias } = this;
    if (this.rounded) {
      out[plane[0] + at] = Math.round(red);
      out[plane[1] + at] = Math.round(green);
      out[plane[2] + at] = Math.round(blue);
      return;
    }
    out[plane[0] + at] = red * gain[0] + bias[0];
    out[plane[1] + at] = green * gain[1] + bias[1];
    out[plane[2] + at] = blue * gain[2] + bias[2];
  }
}

/** The crop's fill as red, green and blue; a spec has it in the network's order. */
export function fillOf(crop, input) {
  return input.color === "RGB" ? crop.fill : [...crop.fill].reverse();
}

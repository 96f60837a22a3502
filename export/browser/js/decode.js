// From the network's outputs to the poses of faces.

import { InputError } from "./errors.js";
import { labelsFromMatrix, labelsFromZxy, rotationFromEuler } from "./rotation.js";
import { columnsOf, headsOf } from "./spec.js";

const DEG = Math.PI / 180;
const UNKNOWN = [NaN, NaN, NaN];

/**
 * @typedef {object} Pose
 * @property {number[]} angles yaw, pitch, roll in degrees
 * @property {number[]} sigma their standard deviations in degrees; NaN where the head has no distribution
 * @property {number[]} rotation nine numbers, row by row, head to camera
 * @typedef {{data: Float32Array, dims: readonly number[]}} Output of N faces: [N, columns]
 */

/**
 * @param {import("./spec.js").ModelSpec} spec
 * @param {Record<string, Output>} outputs by name
 * @param {number} count of faces
 * @returns {Pose[]}
 */
export function decode(spec, outputs, count) {
  const heads = headsOf(spec.decode);
  const widths = heads.map((head) => {
    const { data, dims } = outputs[head.output];
    const width = dims[dims.length - 1];
    const needed = head.column + columnsOf(spec.decode, head);
    if (width < needed || data.length !== count * width) {
      throw new InputError(`output ${head.output} must be [${count}, ${needed} or more], got [${dims}]`);
    }
    return width;
  });
  return Array.from({ length: count }, (_, face) => {
    const numbers = heads.map((head, i) => {
      const from = face * widths[i] + head.column;
      return outputs[head.output].data.subarray(from, from + columnsOf(spec.decode, head));
    });
    return poseOf(...anglesOf(spec, heads, numbers));
  });
}

/** Angles that are not all finite make the whole face NaN. */
function poseOf(angles, sigma) {
  const sound = angles.every(Number.isFinite);
  return {
    angles: sound ? angles : UNKNOWN,
    sigma: sound ? sigma : UNKNOWN,
    rotation: sound ? rotationFromEuler(angles) : Array(9).fill(NaN),
  };
}

function anglesOf(spec, heads, numbers) {
  const { decode } = spec;
  switch (decode.kind) {
    case "bins": {
      const factors = spec.sigma === null ? [1, 1, 1] : [spec.sigma.yaw, spec.sigma.pitch, spec.sigma.roll];
      const found = heads.map((head, i) => decodeBins(numbers[i], head));
      const angles = found.map(([angle]) => angle);
      const sigma = found.map(([, deviation], i) => factors[i] * deviation);
      return [decode.order === "zxy" ? labelsFromZxy(angles) : angles, sigma];
    }
    case "angles":
      return [heads.map((head, i) => head.factor * numbers[i][0]), UNKNOWN];
    case "rot6d":
      return [labelsFromMatrix(matrixFrom6d(numbers[0]), decode.signs), UNKNOWN];
    case "matrix":
      return [labelsFromMatrix([...numbers[0]], decode.signs), UNKNOWN];
    default:
      return [labelsFromMatrix(matrixFromQuaternion(numbers[0]), decode.signs), UNKNOWN];
  }
}

/**
 * Softmax over bins, then its expectation and standard deviation in degrees; of a circular head the circular ones.
 * @param {Float32Array} logits
 * @param {import("./spec.js").BinHead} head
 * @returns {[number, number]}
 */
export function decodeBins(logits, { first_deg, step_deg, circular }) {
  const peak = logits.reduce((most, each) => Math.max(most, each), -Infinity);
  let [sum, first, cosine, sine] = [0, 0, 0, 0];
  const shares = Float64Array.from(logits, (each) => Math.exp(each - peak));
  shares.forEach((share, k) => {
    const angle = first_deg + k * step_deg;
    sum += share;
    first += share * angle;
    cosine += share * Math.cos(angle * DEG);
    sine += share * Math.sin(angle * DEG);
  });
  if (circular) {
    const length = Math.min(Math.hypot(cosine, sine) / sum, 1);
    return [Math.atan2(sine, cosine) / DEG, Math.sqrt(-2 * Math.log(length)) / DEG];
  }
  const mean = first / sum;
  const second = shares.reduce((total, share, k) => total + share * (first_deg + k * step_deg - mean) ** 2, 0);
  return [mean, Math.sqrt(second / sum)];
}

/** Two columns made orthonormal: x = a / |a|, z = x cross b normalised, y = z cross x. NaN where they are parallel. */
function matrixFrom6d(v) {
  const unit = (a, least) => {
    const length = Math.hypot(...a);
    return a.map((each) => each / (length > least ? length : NaN));
  };
  const cross = (a, b) => [0, 1, 2].map((i) => a[(i + 1) % 3] * b[(i + 2) % 3] - a[(i + 2) % 3] * b[(i + 1) % 3]);
  const x = unit([...v.subarray(0, 3)], 0);
  const z = unit(cross(x, unit([...v.subarray(3, 6)], 0)), 1e-6);
  const y = cross(z, x);
  return [0, 1, 2].flatMap((i) => [x[i], y[i], z[i]]);
}

/** Of a quaternion w x y z of any length above 0. */
function matrixFromQuaternion(q) {
  const length = Math.hypot(...q);
  const [w, x, y, z] = [...q].map((each) => each / length);
  // prettier-ignore
  return [
    1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
    2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
    2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
  ];
}

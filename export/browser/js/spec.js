// ModelSpec: everything that is needed to run a model, as hpe_edge/spec.py writes it into the ONNX file. Reading is
// strict here too: an unknown field, a missing one or a newer format is an error, never a guess.

import { ModelError, NoSpecError } from "./errors.js";
import { readMetadata } from "./metadata.js";

export const METADATA_KEY = "hpe_edge.spec";
const NEWEST_FORMAT = 1;
const AGAIN = "export the model again";
const MOST_BINS = 4096;
const MOST_COLUMNS = 1 << 20;
const MOST_MARGIN = 100;

/**
 * @typedef {{margins: number[], square: "extend" | "shrink" | "none", clip: boolean, fill: number[],
 *   resampling: "bilinear" | "antialias"}} Crop
 * @typedef {{name: string, size: number, color: "RGB" | "BGR", scale: number, mean: number[], std: number[],
 *   dtype: "float32" | "float16" | "uint8"}} Input
 * @typedef {{output: string, column: number, first_deg: number, step_deg: number, count: number, circular: boolean}}
 *   BinHead
 * @typedef {{output: string, column: number, factor: number}} AngleHead
 * @typedef {{kind: "bins", yaw: BinHead, pitch: BinHead, roll: BinHead, order: "xyz" | "zxy"}} BinsDecode
 * @typedef {{kind: "angles", yaw: AngleHead, pitch: AngleHead, roll: AngleHead}} AnglesDecode
 * @typedef {{kind: "rot6d" | "matrix" | "quaternion", output: string, column: number, signs: number[]}} RotationDecode
 * @typedef {{yaw: number, pitch: number, roll: number, limit_deg: number | null}} Sigma
 * @typedef {{architecture: string, input: Input, outputs: string[], crop: Crop,
 *   decode: BinsDecode | AnglesDecode | RotationDecode, sigma: Sigma | null,
 *   upright: "keypoints" | "second-pass" | null}} ModelSpec
 */

/**
 * The spec of an ONNX file.
 * @param {Uint8Array} file
 * @returns {ModelSpec}
 */
export function specOfFile(file) {
  const text = readMetadata(file).get(METADATA_KEY);
  if (text === undefined) {
    throw new NoSpecError("this model has no spec; add one with: hpe-edge export onnx --adopt MODEL.onnx --arch NAME");
  }
  return readSpec(text);
}

/**
 * @param {string} text the spec's JSON
 * @returns {ModelSpec}
 */
export function readSpec(text) {
  let plain;
  try {
    plain = JSON.parse(text);
  } catch (error) {
    throw new ModelError(`the model's spec is not JSON (${error.message}); ${AGAIN}`);
  }
  if (!isObject(plain) || !Number.isInteger(plain.format)) {
    throw new ModelError(`the model's spec has no format number; ${AGAIN}`);
  }
  const { format, ...given } = plain;
  if (format < 1 || format > NEWEST_FORMAT) {
    throw new ModelError(`the model's spec has format ${format}, this page reads ${NEWEST_FORMAT}: use a newer one`);
  }
  /** @type {any} */
  const spec = record(SPEC, { reductions: "quantizations" })(given, "spec");
  for (const head of headsOf(spec.decode)) {
    need(spec.outputs.includes(head.output), "spec.decode", `one of the outputs ${spec.outputs}`, head.output);
  }
  need(new Set(spec.outputs).size === spec.outputs.length, "spec.outputs", "different names", spec.outputs);
  const { margins } = spec.crop;
  const leaves = margins[0] + margins[2] > -1 && margins[1] + margins[3] > -1;
  need(leaves, "spec.crop.margins", "margins that leave something of the box", margins);
  need(spec.sigma === null || spec.decode.kind === "bins", "spec.sigma", "null for this decode", spec.sigma);
  return spec;
}

/** The heads that a decode reads: yaw, pitch and roll, or the one rotation head. */
export function headsOf(decode) {
  return "yaw" in decode ? [decode.yaw, decode.pitch, decode.roll] : [decode];
}

/** The number of columns that a head reads. */
export function columnsOf(decode, head) {
  return head.count ?? { rot6d: 6, matrix: 9, quaternion: 4 }[decode.kind] ?? 1;
}

// Readers of values: each takes the plain value and the name of its place, and returns the value or throws.

const number =
  (least = -Infinity, most = Infinity) =>
  (value, where) => {
    const sound = typeof value === "number" && Math.abs(value) < 1e300 && value >= least && value <= most;
    return need(sound, where, Number.isFinite(least) ? `a number from ${least} to ${most}` : "a finite number", value);
  };
const whole = (least, most) => (value, where) =>
  need(Number.isInteger(value) && value >= least && value <= most, where, `a whole number ${least} to ${most}`, value);
const above0 = (value, where) => need(number()(value, where) > 0, where, "a number above 0", value);
const not0 = (value, where) => need(number()(value, where) !== 0, where, "another number than 0", value);
const text = (value, where) => need(typeof value === "string", where, "a text", value);
const flag = (value, where) => need(typeof value === "boolean", where, "true or false", value);
const oneOf =
  (...choices) =>
  (value, where) =>
    need(choices.includes(value), where, `one of ${choices.join(", ")}`, value);
const list = (reader, count) => (value, where) => {
  need(
    Array.isArray(value) && (count === undefined || value.length === count),
    where,
    `a list of ${count ?? ""}`,
    value,
  );
  return value.map((each, i) => reader(each, `${where}[${i}]`));
};
const object = (reader) => (value, where) => {
  need(isObject(value), where, "an object", value);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, reader(each, `${where}.${name}`)]));
};
const maybe = (reader) => [(value, where) => (value === null ? null : reader(value, where)), null];
const record =
  (fields, renamed = {}) =>
  (given, where) => {
    need(isObject(given), where, "an object", given);
    const value = { ...given };
    for (const [old, now] of Object.entries(renamed)) {
      // names of earlier versions
      if (old in value && !(now in value)) {
        value[now] = value[old];
        delete value[old];
      }
    }
    const unknown = Object.keys(value).find((name) => !Object.hasOwn(fields, name));
    if (unknown !== undefined) {
      throw new ModelError(`${where} has the unknown field ${unknown}; use a newer page, or ${AGAIN}`);
    }
    return Object.fromEntries(
      Object.entries(fields).map(([name, entry]) => {
        const [reader, otherwise] = Array.isArray(entry) ? entry : [entry];
        if (Object.hasOwn(value, name)) return [name, reader(value[name], `${where}.${name}`)];
        if (otherwise === undefined) throw new ModelError(`${where} lacks the field ${name}; ${AGAIN}`);
        return [name, otherwise];
      }),
    );
  };

const column = whole(0, MOST_COLUMNS - 1);
const BIN_HEAD = {
  output: text,
  column,
  first_deg: number(),
  step_deg: not0,
  count: whole(1, MOST_BINS),
  circular: [flag, false],
};
const ANGLE_HEAD = { output: text, column, factor: [not0, 1] };
const ROTATION = { output: text, column: [column, 0], signs: [list(oneOf(1, -1), 3), [1, 1, 1]] };
const DECODES = {
  bins: { ...three(binHead), order: [oneOf("xyz", "zxy"), "xyz"] },
  angles: three(record(ANGLE_HEAD)),
  rot6d: ROTATION,
  matrix: ROTATION,
  quaternion: ROTATION,
};
const PRECISION = oneOf("fp32", "fp16", "int8", "int8+fp16");
const COUNT = whole(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
const GATE = record({
  compared: text,
  source: text,
  faces: COUNT,
  mean_deg: number(),
  p99_deg: number(),
  worst_deg: number(),
  limits: [object(number()), {}],
});
const QUANTIZATION = record(
  {
    precision: PRECISION,
    source: text,
    sha256: text,
    kept: [list(text), []],
    ranges: [text, ""],
    tools: [object(text), {}],
    gate: maybe(GATE),
  },
  { numbers: "precision" },
);
const INPUT = {
  size: whole(1, 4096),
  color: oneOf("RGB", "BGR"),
  scale: above0,
  mean: list(number(), 3),
  std: list(above0, 3),
  name: [text, "image"],
  dtype: [oneOf("float32", "float16", "uint8"), "float32"],
};
const SPEC = {
  architecture: text,
  input,
  outputs: list(text),
  crop: record({
    margins: [list(number(-MOST_MARGIN, MOST_MARGIN), 4), [0, 0, 0, 0]],
    square: [oneOf("extend", "shrink", "none"), "extend"],
    clip: [flag, false],
    fill: [list(number(0, 255), 3), [0, 0, 0]],
    resampling: [oneOf("bilinear", "antialias"), "bilinear"],
  }),
  decode(value, where) {
    need(
      isObject(value) && typeof value.kind === "string" && Object.hasOwn(DECODES, value.kind),
      `${where}.kind`,
      `one of ${Object.keys(DECODES).join(", ")}`,
      value?.kind,
    );
    const { kind, ...fields } = value;
    return { kind, ...record(DECODES[kind])(fields, where) };
  },
  origin: record({ checkpoint: text, sha256: text, tools: [object(text), {}], merged: [list(text), []] }),
  gate: maybe(GATE),
  quantizations: [list(QUANTIZATION), []],
  exported_precision: [PRECISION, "fp32"],
  sigma: maybe(
    record({
      yaw: number(1e-3, 1e3),
      pitch: number(1e-3, 1e3),
      roll: number(1e-3, 1e3),
      faces: COUNT,
      source: text,
      labelled: flag,
      limit_deg: maybe(above0),
    }),
  ),
  upright: maybe(oneOf("keypoints", "second-pass")),
};

function three(reader) {
  return { yaw: reader, pitch: reader, roll: reader };
}

function input(value, where) {
  const found = record(INPUT)(value, where);
  const { scale, mean, std, dtype } = found;
  const held = std.every((each, i) => scale / each < 1e30 && Math.abs(mean[i]) / each < 1e30);
  need(held, where, "numbers within float32's range", { scale, mean, std });
  const plain = scale === 1 && mean.every((each) => each === 0) && std.every((each) => each === 1);
  need(dtype !== "uint8" || plain, where, "scale 1, mean 0 and std 1 for uint8", { scale, mean, std });
  return found;
}

function binHead(value, where) {
  const head = record(BIN_HEAD)(value, where);
  const span = Math.abs(head.step_deg) * head.count;
  need(!head.circular || Math.abs(span - 360) < 1e-3, where, "bins that span 360 degrees", `${span} degrees`);
  return head;
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function need(sound, where, what, got) {
  if (!sound) throw new ModelError(`${where} must be ${what}, got ${JSON.stringify(got)}; ${AGAIN}`);
  return got;
}

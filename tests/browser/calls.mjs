// The library's functions by name, for tests: arrays come and go as {$: type, shape, base64}. In Node or in a page.

import { cropNormalize } from "../../export/browser/js/crop.js";
import { decode } from "../../export/browser/js/decode.js";
import { FaceDetector } from "../../export/browser/js/detector.js";
import { PoseEngine } from "../../export/browser/js/engine.js";
import { readMetadata } from "../../export/browser/js/metadata.js";
import { suppress } from "../../export/browser/js/nms.js";
import { RegionSchedule } from "../../export/browser/js/region_schedule.js";
import { bestAnswer, turnsOfLooks } from "../../export/browser/js/search.js";
import { readSpec, specOfFile } from "../../export/browser/js/spec.js";
import { ContrastStretch } from "../../export/browser/js/stretch.js";
import { rollFromKeypoints, undoTurn } from "../../export/browser/js/upright.js";

const TYPES = { uint8: Uint8Array, float32: Float32Array, float64: Float64Array };
let ort;
let engine;
let detector;
let schedule;

const functions = {
  crop({ frame, box, turn_deg, crop, input }) {
    const out = new (input.dtype === "uint8" ? Uint8Array : Float32Array)(3 * input.size ** 2);
    cropNormalize(imageOf(frame), box, turn_deg, crop, input, out);
    return out;
  },
  decode({ spec, outputs, count }) {
    const named = Object.entries(outputs).map(([name, { data, shape }]) => [name, { data, dims: shape }]);
    return decode(spec, Object.fromEntries(named), count);
  },
  /** The crop, and whether it was stretched. */
  stretch({ pixels, crop, input }) {
    const stretched = new ContrastStretch(crop, input).apply(pixels.data);
    return [pixels.data, stretched];
  },
  turnsOfLooks: ({ turn_deg }) => turnsOfLooks(turn_deg),
  /** The number of the answer that is taken. */
  bestAnswer({ rotations, sigmas }) {
    const answers = sigmas.map((sigma, i) => ({ rotation: rotations[i], sigma: Array(3).fill(sigma), angles: [] }));
    return answers.indexOf(bestAnswer(answers));
  },
  readSpec: ({ text }) => readSpec(text),
  specOfFile: ({ file }) => specOfFile(file.data),
  readMetadata: ({ file }) => Object.fromEntries(readMetadata(file.data)),
  suppress: ({ faces, iou }) => suppress(faces, iou),
  rollFromKeypoints: ({ points }) => rollFromKeypoints(points),
  undoTurn: ({ pose, turn_deg }) => undoTurn(pose, turn_deg),
  async loadPose({ file }) {
    engine = await PoseEngine.load(ort, file.data);
    return engine.spec;
  },
  estimate: ({ frame, faces }) => engine.estimate(imageOf(frame), faces),
  async loadDetector({ file }) {
    detector = await FaceDetector.load(ort, file.data);
    schedule = new RegionSchedule(detector);
  },
  find: ({ frame }) => detector.find(imageOf(frame)),
  findIn: ({ frame, regions }) => detector.findIn(imageOf(frame), regions),
  /** What a schedule asks a detector that always finds these faces, or none. */
  async asked({ boxes, frames }) {
    const asked = [];
    const faces = boxes.map((box) => ({ box }));
    const stub = {
      find: async () => (asked.push("whole"), faces),
      findIn: async (_, regions) => (asked.push(regions), faces),
    };
    const following = new RegionSchedule(/** @type {any} */ (stub));
    for (let k = 0; k < frames; k++) await following.find({ data: new Uint8Array(0), width: 64, height: 64 });
    return asked;
  },
  findNext: ({ frame }) => schedule.find(imageOf(frame)),
};

function imageOf({ data, shape: [height, width] }) {
  return { data, width, height };
}

/** @param {any} runtime the module onnxruntime-web/wasm */
export function use(runtime) {
  ort = runtime;
}

/** Takes and returns JSON: {name, given} to {answer}, or {error: {name, message}}. */
export async function call(text) {
  const { name, given } = JSON.parse(text, revived);
  try {
    return JSON.stringify({ answer: await functions[name](given) }, flattened);
  } catch (error) {
    return JSON.stringify({ error: { name: error.name, message: error.message, stack: error.stack } });
  }
}

function revived(_, value) {
  if (value?.$ === undefined) return value;
  const bytes = Uint8Array.from(atob(value.base64), (letter) => letter.charCodeAt(0));
  return { data: new TYPES[value.$](bytes.buffer), shape: value.shape };
}

function flattened(_, value) {
  if (typeof value === "number" && !Number.isFinite(value)) return String(value); // JSON has no NaN
  if (!ArrayBuffer.isView(value)) return value;
  const [type] = Object.entries(TYPES).find(([, kind]) => value instanceof kind) ?? [];
  let letters = "";
  for (const byte of new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
    letters += String.fromCharCode(byte);
  return { $: type, base64: btoa(letters) };
}

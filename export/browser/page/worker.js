// The worker that runs the networks, so that the page stays responsive. It is asked by `estimator.js`, one request at a
// time, and answers each.

import { FaceDetector, PoseEngine, RegionSchedule } from "../js/index.js";
// @ts-ignore: it is there where the page is served
import * as ort from "../ort/ort.wasm.min.mjs";

/** @type {PoseEngine | null} */
let engine = null;
/** @type {FaceDetector | null} */
let detector = null;
/** @type {RegionSchedule | null} */
let schedule = null; // of the video that is running
const BLANK = { data: new Uint8Array(4 * 64 * 64), width: 64, height: 64 };
const canvas = new OffscreenCanvas(1, 1);
const context = /** @type {OffscreenCanvasRenderingContext2D} */ (
  canvas.getContext("2d", { willReadFrequently: true })
);

const answers = {
  /** @param {{ortUrl: string, threads: number}} request */
  async begin({ ortUrl, threads }) {
    ort.env.wasm.wasmPaths = ortUrl;
    ort.env.wasm.numThreads = threads;
    ort.env.logLevel = "error";
  },

  async loadPose({ file }) {
    const loaded = await PoseEngine.load(ort, new Uint8Array(file));
    await loaded.estimate(BLANK, [{ box: [16, 16, 48, 48] }]); // the first run is slow, and finds faults of the graph
    await engine?.release();
    engine = loaded;
    return { architecture: engine.spec.architecture, size: engine.spec.input.size, limit_deg: engine.limit_deg };
  },

  async loadDetector({ file }) {
    const loaded = await FaceDetector.load(ort, new Uint8Array(file));
    await detector?.release();
    [detector, schedule] = [loaded, null];
  },

  /** @param {{bitmap: ImageBitmap, boxes: number[][], video: boolean}} request boxes that the user drew */
  async estimate({ bitmap, boxes, video }) {
    if (engine === null) throw new Error("no model is loaded");
    const start = performance.now();
    const frame = pixelsOf(bitmap);
    const read = performance.now();
    schedule = video ? (schedule ?? (detector && new RegionSchedule(detector))) : null;
    /** @type {import("../js/engine.js").Face[]} */
    let faces = boxes.map((box) => ({ box }));
    if (boxes.length === 0 && detector !== null) faces = await (schedule ?? detector).find(frame);
    const found = performance.now();
    const poses = await engine.estimate(frame, faces);
    const times_ms = { read: read - start, find: found - read, pose: performance.now() - found };
    return { bitmap, poses, times_ms, searched: boxes.length === 0 && detector !== null };
  },
};

function pixelsOf(bitmap) {
  const { width, height } = bitmap;
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, width, height);
}

addEventListener("message", async ({ data: { id, kind, ...request } }) => {
  try {
    const answer = (await answers[kind](request)) ?? {};
    postMessage({ id, answer }, { transfer: answer.bitmap ? [answer.bitmap] : [] });
  } catch (error) {
    postMessage({ id, error: { name: error.name, message: error.message } });
  }
});

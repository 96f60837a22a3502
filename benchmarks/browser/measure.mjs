// Times the JavaScript library, in Node or in a page.

import { FaceDetector, PoseEngine } from "../../export/browser/js/index.js";
import { cropNormalize } from "../../export/browser/js/crop.js";
import { decode } from "../../export/browser/js/decode.js";

/**
 * @param {any} ort the module onnxruntime-web/wasm, set up
 * @param {{data: Uint8Array, width: number, height: number}} frame RGBA
 * @param {{boxes: number[][], counts: number[], runs: number}} plan
 * @param {Uint8Array} model
 * @param {Uint8Array | null} detector
 */
export async function measure(ort, frame, { boxes, counts, runs }, model, detector) {
  const engine = await PoseEngine.load(ort, model);
  const found = [];
  for (const count of counts) {
    const faces = boxes.slice(0, count).map((box) => ({ box }));
    const poses = await engine.estimate(frame, faces);
    const whole_ms = await timed(runs, () => engine.estimate(frame, faces));
    found.push({
      count,
      angles: poses.map(({ angles }) => angles),
      whole_ms,
      ...(await stages(engine, frame, faces, runs)),
    });
  }
  if (detector === null) return { poses: found, finding: null };
  const whole = await FaceDetector.load(ort, detector);
  return {
    poses: found,
    finding: {
      faces: (await whole.find(frame)).length,
      frame_ms: await timed(runs, () => whole.find(frame)),
    },
  };
}

/** Times of single calls in ms. */
async function timed(runs, call) {
  for (let k = 0; k < 3 + runs / 10; k++) await call(); // compiled by use
  const times = [];
  for (let k = 0; k < runs; k++) {
    const start = performance.now();
    await call();
    times.push(performance.now() - start);
  }
  return times;
}

async function stages({ spec, network }, frame, faces, runs) {
  const numbers = 3 * spec.input.size ** 2;
  const pixels = new Float32Array(faces.length * numbers);
  const crop = () =>
    faces.forEach(({ box }, i) => {
      cropNormalize(frame, box, 0, spec.crop, spec.input, pixels.subarray(i * numbers, (i + 1) * numbers));
    });
  crop();
  const outputs = await network.runFaces(pixels, faces.length, spec.outputs);
  return {
    crop_ms: await timed(runs, crop),
    network_ms: await timed(runs, () => network.runFaces(pixels, faces.length, spec.outputs)),
    decode_ms: await timed(runs, () => decode(spec, outputs, faces.length)),
  };
}

// From a frame and boxes to poses: crop, network, decode, as hpe_edge.PoseEngine does it.

import { cropNormalize } from "./crop.js";
import { decode } from "./decode.js";
import { InputError, ModelError } from "./errors.js";
import { Network } from "./network.js";
import { wrapDeg } from "./rotation.js";
import { ASK_AGAIN_SIGMA_DEG, bestAnswer, sigmaRms, turnsOfLooks } from "./search.js";
import { headsOf, specOfFile } from "./spec.js";
import { ContrastStretch } from "./stretch.js";
import { SECOND_PASS_ROLL_DEG, rollFromKeypoints, rollOfRotation, undoTurn } from "./upright.js";

const MOST_COORDINATE = 1e6; // pixels; a box beyond it is a mistake

/**
 * @typedef {{box: number[], keypoints?: number[][] | null}} Face x1 y1 x2 y2 from chin to eyebrows, and five points x y
 * @typedef {import("./decode.js").Pose & {stretched: boolean}} CropPose `stretched`: the crop was dark or flat
 * @typedef {CropPose & {box: number[], doubtful: boolean}} FacePose
 */

/** A head-pose model, ready to run. */
export class PoseEngine {
  /**
   * @param {Network} network
   * @param {import("./spec.js").ModelSpec} spec
   */
  constructor(network, spec) {
    this.network = network;
    this.spec = spec;
    this.stretch = new ContrastStretch(spec.crop, spec.input);
    this.limit_deg = spec.sigma?.limit_deg ?? Infinity;
  }

  /**
   * @param {import("./network.js").Ort} ort
   * @param {Uint8Array} file an ONNX file of hpe-edge export
   */
  static async load(ort, file) {
    const spec = specOfFile(file);
    const { dtype, size, name } = spec.input;
    if (dtype === "float16")
      throw new ModelError("this model takes float16 pixels, which browsers lack: use its FP32 file");
    const network = await Network.load(ort, file);
    const expected = `${dtype} [N, 3, ${size}, ${size}] called ${name}`;
    const shape = network.shape.slice(1).join();
    if (network.inputName !== name || network.type !== dtype || shape !== [3, size, size].join()) {
      throw new ModelError(
        `the spec says that the input is ${expected}, the graph has ${network.type} ` +
          `[${network.shape}] called ${network.inputName}; export the model again`,
      );
    }
    const lacking = spec.outputs.find((output) => !network.outputNames.includes(output));
    if (lacking !== undefined) {
      throw new ModelError(
        `the spec says that there is an output ${lacking}, the graph has ${network.outputNames}; ` +
          "export the model again",
      );
    }
    return new PoseEngine(network, spec);
  }

  /**
   * The poses of all faces of a frame, in their order.
   * @param {import("./planes.js").Frame} frame
   * @param {Face[]} faces
   * @returns {Promise<FacePose[]>}
   */
  async estimate(frame, faces) {
    faces.forEach(({ box }, i) => checkBox(box, i));
    const { upright } = this.spec;
    const turns = faces.map(({ keypoints }) => (upright && keypoints ? rollFromKeypoints(keypoints) || 0 : 0));
    const boxes = faces.map(({ box }) => box);
    const poses = await this.passes(frame, boxes, turns);
    if (upright === "second-pass" && this.spec.sigma !== null) await this.searchTurns(frame, boxes, turns, poses);
    return poses.map((pose, i) => ({ ...pose, box: boxes[i], doubtful: this.isDoubtful(pose) }));
  }

  /**
   * The poses of crops with these turns; where the spec has a second pass, rolled faces get it.
   * @returns {Promise<CropPose[]>}
   */
  async passes(frame, boxes, turns) {
    const poses = await this.once(frame, boxes, turns);
    if (this.spec.upright !== "second-pass") return poses;
    const rolls = poses.map(({ rotation }) => rollOfRotation(rotation));
    const again = poses.map((_, i) => i).filter((i) => Math.abs(wrapDeg(rolls[i] - turns[i])) > SECOND_PASS_ROLL_DEG);
    const second = await this.once(
      frame,
      again.map((i) => boxes[i]),
      again.map((i) => rolls[i]),
    );
    again.forEach((i, k) => (poses[i] = second[k]));
    return poses;
  }

  /** Asks doubtful faces again in crops that are turned all around, and takes a surer answer. */
  async searchTurns(frame, boxes, turns, poses) {
    const asked = poses.map((_, i) => i).filter((i) => sigmaRms(poses[i].sigma) > ASK_AGAIN_SIGMA_DEG);
    for (const i of asked) {
      const looks = turnsOfLooks(turns[i]);
      const others = await this.passes(
        frame,
        looks.map(() => boxes[i]),
        looks,
      );
      poses[i] = bestAnswer([poses[i], ...others]);
    }
  }

  /** @returns {Promise<CropPose[]>} */
  async once(frame, boxes, turns) {
    if (boxes.length === 0) return [];
    const { spec } = this;
    const numbers = 3 * spec.input.size ** 2;
    const pixels = new (spec.input.dtype === "uint8" ? Uint8Array : Float32Array)(boxes.length * numbers);
    const stretched = boxes.map((box, i) => {
      const crop = pixels.subarray(i * numbers, (i + 1) * numbers);
      cropNormalize(frame, box, turns[i], spec.crop, spec.input, crop);
      return this.stretch.apply(crop);
    });
    const names = [...new Set(headsOf(spec.decode).map(({ output }) => output))];
    const outputs = await this.network.runFaces(pixels, boxes.length, names);
    const poses = decode(spec, outputs, boxes.length);
    return poses.map((pose, i) => ({ ...undoTurn(pose, turns[i]), stretched: stretched[i] }));
  }

  /** The box probably holds no face, or one that the model cannot judge. */
  isDoubtful({ angles, sigma }) {
    return sigmaRms(sigma) > this.limit_deg || angles.some(Number.isNaN);
  }

  async release() {
    await this.network.release();
  }
}

function checkBox(box, i) {
  const sound = box.length === 4 && box.every((at) => Math.abs(at) <= MOST_COORDINATE);
  if (!sound || !(box[0] < box[2] && box[1] < box[3])) {
    throw new InputError(
      `box ${i} must be x1 y1 x2 y2 in pixels, within ${MOST_COORDINATE}, x1 < x2 and y1 < y2, ` + `got ${box}`,
    );
  }
}

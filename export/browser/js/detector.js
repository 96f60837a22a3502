// The face detector that hpe-edge export detector trains: anchor-free, on grids of 8, 16, 32 and 64 pixels; boxes from
// chin to eyebrows and five key points. As hpe_edge/faces/grids has it.

import { resize } from "./crop.js";
import { BackendError, ModelError } from "./errors.js";
import {
  MULTIPLE,
  UNSURE,
  closeLook,
  inFrame,
  isCentredIn,
  largeOnes,
  turnedPicture,
  turnedSize,
  wholeLook,
  wideLook,
  withoutParts,
  withoutRivals,
} from "./looks.js";
import { Network } from "./network.js";
import { suppress } from "./nms.js";
import { Planes } from "./planes.js";
import { METADATA_KEY } from "./spec.js";
import { readMetadata } from "./metadata.js";

const STRIDES = [8, 16, 32, 64];
const SCORE = 0.6;
const NMS_IOU = 0.4;
const MOST_CANDIDATES = 5000; // before suppression, which compares each with all others
const MOST_COORDINATE = 1e6;
const COLUMNS = [1, 4, 10]; // score, box, key points
/** @type {import("./spec.js").Input} */
const INPUT = {
  name: "",
  size: 0,
  color: "BGR",
  scale: 1,
  mean: [127.5, 127.5, 127.5],
  std: [128, 128, 128],
  dtype: "float32",
};
const BLACK = [0, 0, 0];

const REGION_SIDE = 128; // pixels of a region's picture

/**
 * @typedef {{box: number[], score: number, keypoints: number[][]}} Found
 * @typedef {{score: string, box: string, points: string}[]} Grids names of the outputs, by stride
 */

/** Faces of a frame. */
export class FaceDetector {
  /**
   * @param {Network} network
   * @param {Grids} grids
   */
  constructor(network, grids) {
    this.network = network;
    this.grids = grids;
  }

  /**
   * @param {import("./network.js").Ort} ort
   * @param {Uint8Array} file
   */
  static async load(ort, file) {
    if (readMetadata(file).has(METADATA_KEY)) {
      throw new ModelError("this is a head-pose model, not a face detector");
    }
    const network = await Network.load(ort, file);
    return new FaceDetector(network, await findGrids(network));
  }

  /**
   * All faces of a frame, from left to right.
   * @param {import("./planes.js").Frame} frame
   * @returns {Promise<Found[]>}
   */
  async find(frame) {
    const { width, height } = frame;
    const whole = wholeLook(width, height);
    const picture = pictureOf(frame, whole);
    const wide = wideLook(width, height);
    const large = largeOnes(await this.look(pictureOf(frame, wide), wide), width, height);
    let found = [...withoutParts(await this.look(picture, whole), large), ...large];
    if (found.every(({ score }) => score < UNSURE)) {
      const turned = [];
      for (const quarters of [1, 2, 3]) {
        // Faces that lie or stand upside down.
        const seen = await this.look(turnedPicture(picture, whole.size, quarters), { ...whole, quarters });
        turned.push(...seen.filter((face) => face.score >= UNSURE && isCentredIn(face, width, height)));
      }
      found = withoutRivals(found, turned);
    }
    const close = closeLook(width, height);
    if (found.length === 0 && close !== null) found = await this.look(pictureOf(frame, close), close);
    const best = found.sort((a, b) => b.score - a.score).slice(0, MOST_CANDIDATES);
    return fromLeft(suppress(best, NMS_IOU));
  }

  /**
   * At most one face in each of the regions, the one with the best score; from left to right.
   * @param {import("./planes.js").Frame} frame
   * @param {number[][]} regions squares x1 y1 x2 y2, which may leave the frame
   * @returns {Promise<Found[]>}
   */
  async findIn(frame, regions) {
    const pixels = REGION_SIDE * REGION_SIDE;
    const pictures = new Float32Array(regions.length * 3 * pixels);
    regions.forEach((region, i) => {
      const planes = new Planes(INPUT, pictures.subarray(3 * i * pixels, 3 * (i + 1) * pixels), pixels);
      resize(frame, { sampled: region, cut: region }, REGION_SIDE, REGION_SIDE, false, BLACK, planes);
    });
    const outputs = await this.network.run(pictures, [regions.length, 3, REGION_SIDE, REGION_SIDE]);
    const best = regions.map(([x1, y1, x2], i) => {
      const scale = (x2 - x1) / REGION_SIDE;
      const look = { size: [REGION_SIDE, REGION_SIDE], scale, corner: [-x1 / scale, -y1 / scale], quarters: 0 };
      const seen = this.faces(outputs, i, regions.length, REGION_SIDE).sort((a, b) => b.score - a.score);
      return seen
        .slice(0, 1)
        .filter(isSound)
        .map((face) => inFrame(look, face));
    });
    return fromLeft(suppress(best.flat().filter(isSound), NMS_IOU));
  }

  /**
   * Faces before suppression, in the frame.
   * @param {Float32Array} picture of the look, turned
   * @param {import("./looks.js").Look} look
   */
  async look(picture, look) {
    const [width, height] = turnedSize(look);
    const outputs = await this.network.run(picture, [1, 3, height, width]);
    const found = this.faces(outputs, 0, 1, width).filter(isSound); // before the turn, which puts corners in order
    return found.map((face) => inFrame(look, face)).filter(isSound);
  }

  /**
   * The faces that one picture of a batch shows, from the threshold on, in its pixels.
   * @param {Record<string, import("./decode.js").Output>} outputs
   * @param {number} picture
   * @param {number} pictures of the batch
   * @param {number} width of the input
   * @returns {Found[]}
   */
  faces(outputs, picture, pictures, width) {
    return this.grids.flatMap((names, grid) => {
      const stride = STRIDES[grid];
      const columns = width / stride;
      const [scores, boxes, points] = [names.score, names.box, names.points].map((name) => outputs[name].data);
      const cells = scores.length / pictures;
      const found = [];
      for (let cell = 0, at = picture * cells; cell < cells; cell++, at++) {
        if (!(scores[at] >= SCORE)) continue;
        const corner = [cell % columns, Math.floor(cell / columns)];
        const side = (k) => (corner[k % 2] + (k < 2 ? -1 : 1) * boxes[4 * at + k]) * stride;
        const point = (k, axis) => (corner[axis] + points[10 * at + 2 * k + axis]) * stride;
        const keypoints = [0, 1, 2, 3, 4].map((k) => [point(k, 0), point(k, 1)]);
        found.push({ box: [0, 1, 2, 3].map(side), score: scores[at], keypoints });
      }
      return found;
    });
  }

  async release() {
    await this.network.release();
  }
}

/** Cells without a face may hold any numbers. */
function isSound({ box }) {
  return box[0] < box[2] && box[1] < box[3] && box.every((edge) => Math.abs(edge) <= MOST_COORDINATE);
}

/**
 * The network's picture of a look, before its turn.
 * @param {import("./planes.js").Frame} frame
 * @param {import("./looks.js").Look} look
 */
function pictureOf(frame, { size: [width, height], scale, corner }) {
  const picture = new Float32Array(3 * width * height);
  const sampled = [-corner[0], -corner[1], width - corner[0], height - corner[1]].map((at) => at * scale);
  const planes = new Planes(INPUT, picture, width * height);
  resize(frame, { sampled, cut: sampled }, width, height, false, BLACK, planes);
  return picture;
}

function fromLeft(faces) {
  return faces.sort((a, b) => a.box[0] - b.box[0]);
}

/**
 * The outputs of each grid, from a run on an empty picture: names differ between exports.
 * @param {Network} network
 * @returns {Promise<Grids>}
 */
async function findGrids(network) {
  const [width, height] = [3 * MULTIPLE, MULTIPLE];
  const unknown = (why) =>
    new ModelError(
      "this is no face detector of hpe-edge export detector, which takes " +
        `[1, 3, H, W] and gives for each of ${STRIDES.length} grids a score, a box and five points per cell: ${why}`,
    );
  if (network.shape.length !== 4 || network.type !== "float32") throw unknown(`it takes [${network.shape}]`);
  let outputs;
  try {
    outputs = await network.run(new Float32Array(3 * width * height), [1, 3, height, width]);
  } catch (error) {
    if (error instanceof BackendError) throw unknown(error.message);
    throw error;
  }
  const given = Object.entries(outputs).map(([name, { dims, data }]) => ({
    name,
    columns: dims[dims.length - 1],
    data,
  }));
  return STRIDES.map((stride) => {
    const cells = (width / stride) * (height / stride);
    const mine = given
      .filter(({ data, columns }) => data.length === cells * columns)
      .sort((a, b) => a.columns - b.columns);
    if (mine.map(({ columns }) => columns).join() !== COLUMNS.join()) {
      throw unknown(
        `it gives ${given.map(({ name, columns, data }) => `${name} [${data.length / columns}, ${columns}]`)}`,
      );
    }
    const [score, box, points] = mine;
    const { data } = score;
    if (!data.every((value) => value >= 0 && value <= 1)) throw unknown(`its scores ${score.name} are not within 0..1`);
    return { score: score.name, box: box.name, points: points.name };
  });
}

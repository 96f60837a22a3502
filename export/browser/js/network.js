// A network in ONNX Runtime Web. The library comes from outside, so that the same code runs in a page and in Node.

import { BackendError, ModelError } from "./errors.js";

const SHAPE_OF_FACE = 3; // axes after the batch

/**
 * @typedef {any} Ort the module onnxruntime-web/wasm
 */

/** A loaded ONNX file. */
export class Network {
  /**
   * @param {Ort} ort
   * @param {any} session
   */
  constructor(ort, session) {
    this.ort = ort;
    this.session = session;
    const [input] = session.inputMetadata;
    /** @type {(number | string)[]} */
    this.shape = input.shape;
    this.inputName = input.name;
    this.type = input.type;
    this.outputNames = session.outputNames;
  }

  /**
   * @param {Ort} ort
   * @param {Uint8Array} file
   */
  static async load(ort, file) {
    if (new TextDecoder().decode(file.subarray(0, 64)).trimStart().startsWith("<")) {
      throw new ModelError("this is a web page or XML, not an ONNX file: download the file itself");
    }
    try {
      return new Network(ort, await ort.InferenceSession.create(file, { executionProviders: ["wasm"] }));
    } catch (error) {
      throw new ModelError(`ONNX Runtime Web cannot load this model: ${error.message}`);
    }
  }

  /** The batch that the graph was made for; undefined if any will do. */
  get fixedBatch() {
    return typeof this.shape[0] === "number" ? this.shape[0] : undefined;
  }

  /**
   * @param {Float32Array | Uint8Array} pixels
   * @param {number[]} shape
   * @returns {Promise<Record<string, import("./decode.js").Output>>}
   */
  async run(pixels, shape) {
    const tensor = new this.ort.Tensor(this.type, pixels, shape);
    try {
      return await this.session.run({ [this.inputName]: tensor });
    } catch (error) {
      throw new BackendError(`ONNX Runtime Web failed: ${error.message}`);
    }
  }

  /**
   * Runs N faces of one input each, in batches of the graph's own size where that is fixed.
   * @param {Float32Array | Uint8Array} pixels N faces
   * @param {number} count N
   * @param {string[]} names of the outputs wanted
   * @returns {Promise<Record<string, import("./decode.js").Output>>}
   */
  async runFaces(pixels, count, names) {
    const face = this.shape.slice(1, 1 + SHAPE_OF_FACE).map(Number);
    const batch = this.fixedBatch ?? count;
    const numbers = face.reduce((product, side) => product * side, 1);
    /** @type {Record<string, import("./decode.js").Output>} */
    const joined = {};
    for (let from = 0; from < count; from += batch) {
      let part = pixels.subarray(from * numbers, (from + batch) * numbers);
      if (part.length < batch * numbers) {
        const padded = new /** @type {any} */ (part.constructor)(batch * numbers);
        padded.set(part);
        part = padded;
      }
      const found = await this.run(part, [batch, ...face]);
      for (const name of names) {
        const { data, dims } = found[name];
        const columns = data.length / batch;
        joined[name] ??= { data: new Float32Array(count * columns), dims: [count, ...dims.slice(1)] };
        joined[name].data.set(data.subarray(0, Math.min(batch, count - from) * columns), from * columns);
      }
    }
    return joined;
  }

  async release() {
    await this.session.release();
  }
}

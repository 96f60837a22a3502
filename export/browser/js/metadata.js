// The metadata of an ONNX file. ONNX Runtime Web does not hand it out, so it is read from the file: a protobuf message
// ModelProto, of which only metadata_props (field 14) is looked at, entries of key (1) and value (2).
// Source: onnx/onnx.proto of the ONNX standard.

import { ModelError } from "./errors.js";

const METADATA_PROPS = 14;
const KEY = 1;
const VALUE = 2;

const VARINT = 0;
const EIGHT_BYTES = 1;
const LENGTH = 2;
const FOUR_BYTES = 5;

/**
 * @param {Uint8Array} file
 * @returns {Map<string, string>}
 */
export function readMetadata(file) {
  const found = new Map();
  for (const [field, entry] of messageFields(file)) {
    if (field !== METADATA_PROPS) continue;
    const texts = new Map();
    for (const [part, bytes] of messageFields(entry)) texts.set(part, new TextDecoder().decode(bytes));
    found.set(texts.get(KEY) ?? "", texts.get(VALUE) ?? "");
  }
  return found;
}

/**
 * The length-delimited fields of a message, by number; others are passed over.
 * @param {Uint8Array} bytes
 * @returns {Generator<[number, Uint8Array]>}
 */
function* messageFields(bytes) {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++];
      if (byte === undefined || scale > 2 ** 63) throw new ModelError("the file is not an ONNX model, or is cut off");
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const kind = tag % 8;
    const field = (tag - kind) / 8;
    if (kind === VARINT) varint();
    else if (kind === EIGHT_BYTES) at += 8;
    else if (kind === FOUR_BYTES) at += 4;
    else if (kind === LENGTH && field > 0) {
      const length = varint();
      if (at + length > bytes.length) throw new ModelError("the file is not an ONNX model, or is cut off");
      yield [field, bytes.subarray(at, at + length)];
      at += length;
    } else throw new ModelError("the file is not an ONNX model, or is cut off");
  }
}

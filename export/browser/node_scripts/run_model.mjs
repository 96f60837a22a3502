// Runs an ONNX file by ONNX Runtime Web in Node, for export/browser/node.py: node run_model.mjs RUNTIME MODEL.
//
// A request is a line of JSON {type, shape} and the numbers; the answer a line {outputs: [{name, shape}]} and theirs, or
// a line {error}. The first line says that the model is loaded, or why not.

import { readFile } from "node:fs/promises";
import { argv, exit, stdin, stdout } from "node:process";
import { pathToFileURL } from "node:url";

const [runtime, model] = argv.slice(2);
const TYPES = { float32: Float32Array, uint8: Uint8Array };

function answer(line, ...arrays) {
  stdout.write(`${JSON.stringify(line)}\n`);
  for (const { buffer, byteOffset, byteLength } of arrays) stdout.write(Buffer.from(buffer, byteOffset, byteLength));
}

async function* requests() {
  let held = Buffer.alloc(0);
  let wanted = null; // the header whose numbers are to come
  for await (const chunk of stdin) {
    held = Buffer.concat([held, chunk]);
    for (;;) {
      if (wanted === null) {
        const end = held.indexOf("\n");
        if (end < 0) break;
        wanted = JSON.parse(held.subarray(0, end).toString());
        held = held.subarray(end + 1);
      }
      const kind = TYPES[wanted.type];
      const count = wanted.shape.reduce((product, side) => product * side, 1);
      if (held.length < count * kind.BYTES_PER_ELEMENT) break;
      const bytes = held.subarray(0, count * kind.BYTES_PER_ELEMENT);
      held = held.subarray(bytes.length);
      yield { ...wanted, data: new kind(Uint8Array.from(bytes).buffer) };
      wanted = null;
    }
  }
}

let session;
let ort;
try {
  ort = await import(pathToFileURL(`${runtime}/ort.wasm.min.mjs`).href);
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = "error";
  session = await ort.InferenceSession.create(await readFile(model), { executionProviders: ["wasm"] });
} catch (error) {
  answer({ error: error.message });
  exit(0);
}
answer({ outputs: session.outputNames });
for await (const { type, shape, data } of requests()) {
  try {
    const found = await session.run({ [session.inputNames[0]]: new ort.Tensor(type, data, shape) });
    const outputs = session.outputNames.map((name) => ({ name, shape: found[name].dims }));
    answer({ outputs }, ...session.outputNames.map((name) => found[name].data));
  } catch (error) {
    answer({ error: error.message });
  }
}

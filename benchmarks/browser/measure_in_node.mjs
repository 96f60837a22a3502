// Prints the times in Node as JSON: node measure_in_node.mjs RUNTIME PLAN.json FRAME.rgba MODEL [DETECTOR]

import { readFile } from "node:fs/promises";
import { argv } from "node:process";
import { pathToFileURL } from "node:url";
import { measure } from "./measure.mjs";

const [runtime, planFile, frameFile, model, detector] = argv.slice(2);
const ort = await import(pathToFileURL(`${runtime}/ort.wasm.min.mjs`).href);
ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";
const plan = JSON.parse(await readFile(planFile, "utf8"));
const frame = { data: await readFile(frameFile), width: plan.width, height: plan.height };
const found = await measure(ort, frame, plan, await readFile(model), detector ? await readFile(detector) : null);
console.log(JSON.stringify(found));

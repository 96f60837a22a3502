// Answers calls line by line: node node_calls.mjs RUNTIME

import { createInterface } from "node:readline";
import { argv, stdin } from "node:process";
import { pathToFileURL } from "node:url";
import { call, use } from "./calls.mjs";

const ort = await import(pathToFileURL(`${argv[2]}/ort.wasm.min.mjs`).href);
ort.env.wasm.numThreads = 1;
ort.env.logLevel = "fatal";
use(ort);
for await (const line of createInterface({ input: stdin, crlfDelay: Infinity })) console.log(await call(line));

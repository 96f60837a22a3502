// The page: a source of pictures, the networks in their worker, and the drawing.

import { BoxTool } from "./box_tool.js";
import { drawPoses } from "./draw.js";
import { Estimator } from "./estimator.js";
import { showFaces } from "./faces_table.js";
import { Camera, SourceError, openPicture } from "./sources.js";
import { missingAbilities, threads } from "./support.js";

const MODELS = new URL("../models/", import.meta.url);
const DRAW_HINT = "Draw a box on the picture, from the chin to the eyebrows of a face.";

/** @param {string} id @returns {any} */
const element = (id) => document.getElementById(id);
const view = element("view");
const context = view.getContext("2d");
const tool = new BoxTool(view, () => (camera === null ? refresh() : undefined));

/** @type {Estimator} */
let estimator;
/** @type {{runtime: boolean, pose: string, detector: string | null, sample: string, sample_box: number[]}} */
let models;
/** @type {Camera | null} */
let camera = null;
let hasDetector = false;
/** @type {ImageBitmap | null} */
let shown = null; // the picture on the screen, while it is not in the worker
let poses = [];
let opened = 0; // pictures and cameras; an answer to an earlier one is dropped
let working = false;
let waiting = false; // the picture is to be estimated again

function say(text, state = "ready") {
  element("state").dataset.state = state;
  if (element("state").textContent !== text) element("state").textContent = text;
}

function fail(error) {
  if (!(error instanceof SourceError)) console.error(error);
  say(error.message, "error");
}

/** Shows a picture and its poses. */
function show(bitmap, found) {
  [shown, poses] = [bitmap, found];
  if (view.width !== bitmap.width || view.height !== bitmap.height) {
    [view.width, view.height] = [bitmap.width, bitmap.height];
  }
  draw();
}

function draw() {
  context.drawImage(shown, 0, 0);
  drawPoses(context, poses);
  if (tool.current !== null) {
    const [x1, y1, x2, y2] = tool.current;
    context.strokeStyle = "white";
    context.lineWidth = Math.max(2, view.width / 400);
    context.strokeRect(x1, y1, x2 - x1, y2 - y1);
  }
}

function report({ poses: found, times_ms, searched }) {
  showFaces(element("faces"), found);
  element("none").hidden = found.length > 0;
  element("clear").hidden = tool.boxes.length === 0;
  const none = found.length === 0;
  element("hint").hidden = !none;
  element("hint").textContent = searched ? `No face was found. ${DRAW_HINT}` : DRAW_HINT;
  tool.enabled = none || tool.boxes.length > 0;
  const count = found.length === 1 ? "1 face" : `${found.length} faces`;
  view.setAttribute("aria-label", `Picture with ${count}`);
  const parts = searched ? [`finding ${times_ms.find.toFixed(0)} ms`] : [];
  if (!none) parts.push(`poses ${times_ms.pose.toFixed(1)} ms`);
  element("times").textContent = parts.join(", ") || "–";
  say(camera === null ? `${count}.` : `Camera: ${count}.`);
}

/** Estimates the picture on the screen, again where a box was drawn meanwhile. */
async function refresh() {
  if (shown === null) return undefined;
  if (tool.current !== null) return draw();
  if (working) {
    waiting = true;
    return undefined;
  }
  const turn = opened;
  working = true;
  try {
    do {
      waiting = false;
      const copy = await createImageBitmap(shown);
      const answer = await estimator.estimate(copy, tool.boxes, false);
      if (turn !== opened) return undefined;
      answer.bitmap.close();
      poses = answer.poses;
      draw();
      report(answer);
    } while (waiting);
  } catch (error) {
    fail(error);
  } finally {
    working = false;
  }
  return turn !== opened && shown !== null && camera === null ? refresh() : undefined;
}

async function openFile(file, boxes = []) {
  stopCamera();
  opened++;
  say("Opening …", "busy");
  try {
    const bitmap = await openPicture(file);
    tool.boxes = boxes;
    show(bitmap, []);
    await refresh();
  } catch (error) {
    fail(error);
  }
}

async function startCamera() {
  say("Starting the camera …", "busy");
  try {
    camera = await Camera.open(() => {
      stopCamera();
      say("The camera went away: it was unplugged, or another program took it.", "error");
    });
  } catch (error) {
    return fail(error);
  }
  element("camera").textContent = "Stop";
  tool.boxes = [];
  const turn = ++opened;
  try {
    while (turn === opened && camera !== null) {
      const answer = await estimator.estimate(await camera.picture(), tool.boxes, true);
      if (turn !== opened) return undefined;
      shown?.close();
      show(answer.bitmap, answer.poses);
      report(answer);
      await new Promise(requestAnimationFrame);
    }
  } catch (error) {
    if (turn === opened) {
      stopCamera();
      fail(error);
    }
  }
  return undefined;
}

function stopCamera() {
  if (camera === null) return;
  camera.close();
  camera = null;
  opened++;
  element("camera").textContent = "Camera";
  say("The camera is off.");
}

/** A model of the user's: a pose model, or a detector where it has no spec of one. */
async function openModel(file) {
  say("Loading the model …", "busy");
  try {
    const bytes = await file.arrayBuffer();
    try {
      showPoseModel(file.name, await estimator.loadPose(bytes));
    } catch (poseError) {
      if (poseError.name !== "NoSpecError") throw poseError;
      await estimator.loadDetector(bytes).catch((detectorError) => {
        throw new Error(`as a pose model: ${poseError.message}; as a face detector: ${detectorError.message}`);
      });
      showDetector(file.name);
    }
    say("The model is loaded.");
    if (shown !== null && camera === null) await refresh();
  } catch (error) {
    fail(new SourceError(`${file.name} was not taken: ${error.message}`));
  }
}

function showPoseModel(name, { architecture, size }) {
  element("pose-model").textContent = `${name} (${architecture}, ${size} × ${size})`;
}

function showDetector(name) {
  hasDetector = name !== null;
  element("face-model").textContent = name ?? "none: draw a box on the picture";
}

async function fetchBytes(name) {
  const answer = await fetch(new URL(name, MODELS));
  if (!answer.ok) throw new Error(`${name} could not be loaded: ${answer.status}`);
  return answer.arrayBuffer();
}

function listen() {
  element("camera").addEventListener("click", () => (camera === null ? startCamera() : stopCamera()));
  element("picture").addEventListener("change", ({ target }) => {
    if (target.files.length > 0) openFile(target.files[0]);
    target.value = "";
  });
  element("sample").addEventListener("click", async () => {
    try {
      const photo = new File([await fetchBytes(models.sample)], models.sample);
      await openFile(photo, hasDetector ? [] : [models.sample_box]);
    } catch (error) {
      fail(error);
    }
  });
  element("model").addEventListener("change", ({ target }) => {
    if (target.files.length > 0) openModel(target.files[0]);
    target.value = "";
  });
  element("clear").addEventListener("click", () => tool.clear());
  const over = (inside) => (event) => {
    event.preventDefault();
    element("stage").dataset.over = String(inside);
  };
  document.addEventListener("dragover", over(true));
  document.addEventListener("dragleave", over(false));
  document.addEventListener("drop", (event) => {
    over(false)(event);
    const [file] = event.dataTransfer?.files ?? [];
    if (file === undefined) fail(new SourceError("That is no file: drop a picture or an ONNX file."));
    else if (file.name.toLowerCase().endsWith(".onnx")) openModel(file);
    else openFile(file);
  });
  for (const id of ["camera", "picture", "sample", "model"]) element(id).disabled = false;
}

async function begin() {
  const missing = missingAbilities();
  if (missing.length > 0) {
    throw new SourceError(`This browser lacks ${missing.join(", ")}. Use a recent Chrome, Edge, Firefox or Safari.`);
  }
  models = JSON.parse(new TextDecoder().decode(await fetchBytes("models.json")));
  if (!models.runtime) {
    throw new SourceError(
      "This copy of the page was made without ONNX Runtime Web: run npm ci in the checkout, and build it again.",
    );
  }
  estimator = new Estimator();
  await estimator.begin(threads());
  showPoseModel(models.pose, await estimator.loadPose(await fetchBytes(models.pose)));
  if (models.detector !== null) await estimator.loadDetector(await fetchBytes(models.detector));
  showDetector(models.detector);
  listen();
  say("Ready: drop a picture, or start the camera.");
}

begin().catch(fail);

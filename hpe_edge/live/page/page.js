// The page: each message is drawn at once, and acknowledged when it is on the screen (see app.py).

import { drawHead, loadHead } from "./head.js";
import { Plot } from "./plot.js";

const SHOWN_UNASKED = 4; // faces
const HEAD_PIXELS = 320; // twice what the style gives it, which smooths its edges
const NAMES = ["yaw", "pitch", "roll"];
const RATE_OVER_S = 2;
const RETRY_MS = [500, 1000, 2000, 4000];
const SILENCE_MS = 3000;
const NO_ID = -1;

const element = (id) => document.getElementById(id);
const plot = new Plot(element("plot"));
const faces = new Map(); // key -> what newFace makes
let headParts;
let followed = false; // faces are tracked: some face had an identity
let latest; // the message on the screen

// --- content of a message --------------------------------------------------------------------------------------------

// float32 latency of an earlier message, uint32 length of the JSON, JSON, JPEG; see app.py and message.py.
async function read(buffer) {
  const view = new DataView(buffer);
  const length = view.getUint32(4, true);
  const facts = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const picture = await createImageBitmap(new Blob([new Uint8Array(buffer, 8 + length)], { type: "image/jpeg" }));
  facts.faces.forEach((face, place) => {
    // A face without an identity is named by its position in the list, which differs between frames.
    face.index = face.id === NO_ID ? place : face.id;
    face.key = face.id === NO_ID ? `at ${place}` : `id ${face.id}`;
    face.label = face.id === NO_ID ? letters(place) : `#${face.id}`;
    face.known = face.rotation.every((value) => value !== null) && face.angles_deg.every((value) => value !== null);
  });
  return { ...facts, picture, latency_ms: view.getFloat32(0, true), arrived_ms: performance.now() };
}

// A, B ... Z, A1 ...
function letters(place) {
  return String.fromCharCode(65 + (place % 26)) + (place < 26 ? "" : Math.floor(place / 26));
}

// --- drawing -----------------------------------------------------------------------------------------------------------

function show(message) {
  if (latest !== undefined && latest.run !== message.run) startAnew();
  leaveOutNameless(message);
  latest = message;
  noteRates(message);
  for (const face of message.faces) {
    if (!faces.has(face.key)) faces.set(face.key, newFace(face));
    if (face.known) plot.add(face.key, message.published_s, face.angles_deg, face.sigma_deg);
  }
  const remembered = plot.forgetBefore(message.published_s);
  const present = new Map(message.faces.map((face) => [face.key, face]));
  for (const [key, face] of faces) {
    if (!remembered.has(key) && !present.has(key)) removeFace(key, face);
  }
  chooseUnasked(message.faces);
  drawPicture(message);
  drawFaces(present);
  drawPlot();
}

// With tracking, a face without an identity is new or of low score; it is shown in the picture only.
function leaveOutNameless(message) {
  followed ||= message.faces.some(({ id }) => id !== NO_ID);
  if (!followed) return;
  message.faces = message.faces.filter(({ id }) => id !== NO_ID);
  for (const [key, face] of faces) if (face.id === NO_ID) removeFace(key, face);
}

function drawPicture({ picture, faces: found, name }) {
  const canvas = element("picture");
  if (canvas.width !== picture.width || canvas.height !== picture.height) {
    canvas.width = picture.width;
    canvas.height = picture.height;
  }
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  if (!followed) drawLetters(context, found, picture.height);
  picture.close();
  setText(element("source"), name);
  const count = found.length === 1 ? "1 face" : `${found.length} faces`;
  setLabel(canvas, `${name}: picture with ${count}`);
}

// Identities are already in the picture.
function drawLetters(context, found, pictureHeight) {
  const height = Math.max(14, pictureHeight / 28);
  context.font = `bold ${height}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  for (const { box, label, color } of found) {
    if (box.includes(null)) continue;
    const width = context.measureText(label).width + 0.6 * height;
    context.fillStyle = `oklch(from ${color} 0.8 c h)`;
    context.fillRect(box[2], box[3] - 1.3 * height, width, 1.3 * height);
    context.fillStyle = "black";
    context.fillText(label, box[2] + 0.3 * height, box[3] - 0.6 * height);
  }
}

function drawFaces(present) {
  element("nobody").hidden = present.size > 0;
  element("not-followed").hidden = followed || faces.size === 0;
  for (const [key, face] of faces) {
    setAttribute(face.button, "aria-pressed", face.chosen);
    face.card.hidden = !face.chosen;
    setAttribute(face.card, "data-away", !present.has(key));
    if (face.chosen && present.has(key)) fillCard(face, present.get(key));
  }
}

function fillCard(face, seen) {
  const values = NAMES.map((name, i) => {
    const [angle, sigma] = [seen.angles_deg[i], seen.sigma_deg[i]];
    setText(face.cells[i].angle, angle === null ? "–" : degrees(angle));
    setText(face.cells[i].sigma, sigma === null ? "–" : `± ${sigma.toFixed(1)}°`);
    return angle === null ? `${name} unknown` : `${name} ${degrees(angle)}`;
  });
  const canvas = face.head;
  setLabel(canvas, `Head: ${values.join(", ")}`);
  if (seen.known) drawHead(canvas, headParts, seen.rotation);
  else canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  canvas.rotation = seen.known ? seen.rotation : null; // for tests, which also look at the pixels
}

function drawPlot() {
  const chosen = [...faces].filter(([, face]) => face.chosen);
  const shown = chosen.map(([key, face]) => ({ key, color: lineColor(face), joined: face.id !== NO_ID }));
  plot.draw(latest.published_s, shown);
}

// --- faces -------------------------------------------------------------------------------------------------------------

function newFace({ id, index, key, color, label }) {
  const face = { id, index, color, chosen: false, asked: false };
  const title = `Face ${label}`;

  face.button = document.createElement("button");
  face.button.type = "button";
  face.button.textContent = title;
  face.button.addEventListener("click", () => {
    face.chosen = !face.chosen;
    face.asked = true;
    drawFaces(new Map(latest.faces.map((seen) => [seen.key, seen])));
    drawPlot();
  });

  face.card = document.createElement("article");
  face.card.className = "card";
  face.card.dataset.key = key;
  face.head = document.createElement("canvas");
  face.head.width = face.head.height = HEAD_PIXELS;
  face.head.setAttribute("role", "img");
  const heading = document.createElement("h3");
  heading.textContent = title;
  const table = document.createElement("table");
  face.cells = NAMES.map((name) => {
    const row = table.insertRow();
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = name;
    row.append(head);
    const cells = { angle: row.insertCell(), sigma: row.insertCell() };
    cells.angle.dataset.angle = name;
    cells.sigma.dataset.sigma = name;
    cells.sigma.className = "sigma";
    cells.sigma.title = "standard deviation; – where the model gives none";
    return cells;
  });
  const words = document.createElement("div");
  words.append(heading, table);
  face.card.append(face.head, words);
  for (const part of [face.button, face.card]) {
    part.style.setProperty("--identity", `oklch(from ${color} clamp(var(--darkest), l, var(--lightest)) c h)`);
  }
  insertSorted(element("choice"), face.button, face);
  insertSorted(element("cards"), face.card, face);
  return face;
}

// After a restart of the program, its face 1 may be another person.
function startAnew() {
  plot.clear();
  recent.length = 0;
  followed = false;
  for (const [key, face] of faces) removeFace(key, face);
}

function removeFace(key, face) {
  face.button.remove();
  face.card.remove();
  faces.delete(key);
}

function insertSorted(parent, child, { index }) {
  child.dataset.index = index;
  parent.insertBefore(child, [...parent.children].find((other) => Number(other.dataset.index) > index) ?? null);
}

// Select the largest faces by default; a choice of the user is kept.
function chooseUnasked(found) {
  const size = ({ box }) => (box[2] - box[0]) * (box[3] - box[1]);
  let room = SHOWN_UNASKED;
  for (const { key } of found) if (faces.get(key).chosen) room--;
  for (const { key } of [...found].sort((a, b) => size(b) - size(a))) {
    const face = faces.get(key);
    if (room > 0 && !face.chosen && !face.asked) {
      face.chosen = true;
      room--;
    }
  }
}

// As in the picture, within the range of lightness that is visible on the page.
function lineColor({ color }) {
  const style = getComputedStyle(document.documentElement);
  const [darkest, lightest] = ["--darkest", "--lightest"].map((name) => style.getPropertyValue(name));
  return `oklch(from ${color} clamp(${darkest}, l, ${lightest}) c h)`;
}

// --- numbers -----------------------------------------------------------------------------------------------------------

function degrees(value) {
  const text = Math.abs(value).toFixed(1);
  return `${Number(text) === 0 ? "" : value < 0 ? "−" : "+"}${text}°`;
}

const recent = []; // {number, published_s, arrived_ms, latency_ms} of the last two seconds

function noteRates(message) {
  const { number, published_s, arrived_ms, latency_ms } = message;
  recent.push({ number, published_s, arrived_ms, latency_ms });
  while (recent.length > 2 && arrived_ms - recent[0].arrived_ms > 1000 * RATE_OVER_S) recent.shift();
  const first = recent[0];
  const perSecond = (count, seconds) => (seconds > 0 ? `${(count / seconds).toFixed(1)} fps` : "–");
  setText(element("source-rate"), perSecond(number - first.number, published_s - first.published_s));
  setText(element("shown-rate"), perSecond(recent.length - 1, (arrived_ms - first.arrived_ms) / 1000));
  const latencies = recent.map((one) => one.latency_ms).filter((one) => !Number.isNaN(one));
  latencies.sort((a, b) => a - b);
  const median = latencies[Math.floor(latencies.length / 2)];
  setText(element("latency"), median === undefined ? "–" : `${median.toFixed(0)} ms`);
}

// Only on a change, to avoid a new layout.
function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

function setAttribute(target, name, value) {
  if (target.getAttribute(name) !== String(value)) target.setAttribute(name, value);
}

function setLabel(target, text) {
  setAttribute(target, "aria-label", text);
}

function setState(state, text) {
  element("state").dataset.state = state;
  if (state !== "live") for (const id of ["source-rate", "shown-rate", "latency"]) setText(element(id), "–");
  setText(element("state"), text);
}

// --- the connection ----------------------------------------------------------------------------------------------------

let failures = 0;
let retry;

function connect() {
  clearTimeout(retry);
  const address = new URL("stream", location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(address);
  socket.binaryType = "arraybuffer";
  let drawn = Promise.resolve();
  let silence;

  const listen = () => {
    clearTimeout(silence);
    silence = setTimeout(() => setState("waiting", "Connected; no new picture"), SILENCE_MS);
  };
  socket.onopen = () => {
    failures = 0;
    recent.length = 0;
    setState("waiting", "Connected; no picture yet");
  };
  socket.onmessage = ({ data }) => {
    drawn = drawn.then(async () => {
      const message = await read(data);
      // Not called while the page is hidden: nothing is acknowledged then, and nothing encoded.
      await new Promise((done) => requestAnimationFrame(done));
      show(message);
      if (socket.readyState !== WebSocket.OPEN) return;
      setState("live", "Live");
      listen();
      socket.send("shown");
    });
    drawn.catch((error) => {
      setState("lost", `This page cannot show what it got: ${error.message}; reload it`);
      console.error(error);
    });
  };
  socket.onclose = ({ reason }) => {
    clearTimeout(silence);
    const wait = RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)];
    setState("lost", `${reason ? `Disconnected: ${reason}` : "No connection"}; trying again`);
    retry = setTimeout(connect, wait);
  };
}

async function begin() {
  headParts = await loadHead();
  connect();
  new ResizeObserver(() => latest && drawPlot()).observe(element("plot"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => latest && drawPlot());
}

begin().catch((error) => setState("lost", `This page could not be loaded in full: ${error.message}`));

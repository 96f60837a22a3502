// The page: each message is drawn at once, and acknowledged when it is on the screen (see app.py).

import { element, lineColor, make, setAttribute, setHidden, setIdentity, setText } from "./dom.js";
import { EventList } from "./events.js";
import { loadHead } from "./head.js";
import { NO_ID, posture, read } from "./message.js";
import { People } from "./people.js";
import { Plot } from "./plot.js";
import { Rates } from "./rates.js";
import { connect } from "./stream.js";
import { ZoneMap } from "./zones.js";

const plot = new Plot(element("plot"));
const map = new ZoneMap();
const events = new EventList();
const rates = new Rates();
let people;
let latest; // the message on the screen
let view; // {relative, attention, watched: names of zones, learn_s: time for which a neutral pose is learned}

function show(message) {
  if (latest !== undefined && latest.run !== message.run) startAnew();
  message.faces = people.onlyFollowed(message.faces);
  latest = message;
  rates.note(message);
  for (const face of message.faces) plot.add(face.key, message.published_s, pointOf(face));
  plot.forgetBefore(message.published_s);
  chooseView();
  drawPicture(message);
  people.show(message, view);
  drawPlot();
  setHidden(element("attention"), !hasZones());
  if (!hasZones()) return;
  map.show(message.zones, message.faces);
  events.show(message.events, message.faces);
}

function hasZones() {
  return latest.zones !== null && latest.zones.length > 0;
}

function startAnew() {
  plot.clear();
  rates.clear();
  people.clear();
}

function pointOf(face) {
  const known = (relative) => {
    const { angles_deg, rotation } = posture(face, relative);
    return rotation === null ? null : angles_deg;
  };
  return { camera: known(false), relative: known(true), sigma: face.sigma_deg, doubtful: face.doubtful };
}

// Relative angles exist with zones or a neutral pose only; then they are shown until the user asks for the camera's.
function chooseView() {
  const attention = latest.zones !== null;
  const relative = attention && element("frame-of").querySelector("input:checked").value === "relative";
  const watched = new Set((latest.zones ?? []).filter((zone) => zone.watched).map(({ name }) => name));
  view = { relative, attention, watched, learn_s: latest.learn_s };
  setHidden(element("frame-of"), !attention);
  setAttribute(document.documentElement, "data-zones", hasZones());
}

function drawPicture({ picture, faces, name }) {
  const canvas = element("picture");
  if (canvas.width !== picture.width || canvas.height !== picture.height) {
    canvas.width = picture.width;
    canvas.height = picture.height;
  }
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  if (!people.followed) drawLetters(context, faces, picture.height);
  picture.close();
  setText(element("source"), name);
  const count = faces.length === 1 ? "1 face" : `${faces.length} faces`;
  setAttribute(canvas, "aria-label", `${name}: picture with ${count}`);
}

// Identities are already in the picture.
function drawLetters(context, faces, pictureHeight) {
  const height = Math.max(14, pictureHeight / 28);
  context.font = `bold ${height}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  for (const { box, label, color } of faces) {
    if (box.includes(null)) continue;
    const width = context.measureText(label).width + 0.6 * height;
    context.fillStyle = `oklch(from ${color} 0.8 c h)`;
    context.fillRect(box[2], box[3] - 1.3 * height, width, 1.3 * height);
    context.fillStyle = "black";
    context.fillText(label, box[2] + 0.3 * height, box[3] - 0.6 * height);
  }
}

function drawPlot() {
  const frame = view.relative ? "relative" : "camera";
  const drawn = people.chosen.filter(({ key }) => plot.remembers(key, frame));
  const lines = drawn.map(({ key, id, color }) => ({ key, color: lineColor(color), joined: id !== NO_ID }));
  plot.draw(latest.published_s, lines, frame);
  drawLegend(drawn);
}

function drawLegend(drawn) {
  const legend = element("legend");
  const wanted = drawn.map(({ label }) => label).join(" ");
  if (legend.dataset.drawn !== wanted) {
    legend.dataset.drawn = wanted;
    const items = drawn.map(({ color, label }) => {
      const item = make("li", {}, label);
      setIdentity(item, color);
      return item;
    });
    legend.replaceChildren(...items);
  }
  const from = view.relative ? "from the neutral pose" : "from the camera";
  const who = wanted === "" ? "no face" : drawn.map(({ label }) => label).join(", ");
  setAttribute(element("plot"), "aria-label", `Yaw, pitch and roll over time, ${from}: ${who}`);
}

function redraw() {
  if (latest === undefined) return;
  chooseView();
  people.draw(view);
  drawPlot();
}

async function begin() {
  people = new People(await loadHead(), drawPlot);
  connect(read, show, rates);
  new ResizeObserver(redraw).observe(element("plot"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  element("frame-of").addEventListener("change", redraw);
}

begin().catch((error) => {
  element("state").dataset.state = "lost";
  setText(element("state"), `This page could not be loaded in full: ${error.message}`);
});

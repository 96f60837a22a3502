// Map of yaw and pitch: the zones' polygons and a dot for each face, as in the picture: the image's left is left.

import { element, lineColor, setAttribute, setText } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const SMALLEST_DEG = { yaw: 45, pitch: 30 };
const STEP_DEG = 15;
const FLATTEST = 0.5; // height by width
const STEEPEST = 0.8;
const REACH = 12; // pixels of a dot with its ring
const EDGE = 0.03; // room around the outermost zone, as a share
const NAMED = 8; // dots; more names would hide each other

export class ZoneMap {
  #svg = element("map");
  #zones = [];
  #faces = [];
  #drawn = ""; // the zones and the size for which the background was drawn
  #dots = new Map(); // key -> {group, circle, name}

  constructor() {
    this.#svg.append(make("g"), make("g"));
    new ResizeObserver(() => this.#draw()).observe(this.#svg);
  }

  // zones: [{name, polygon: [[yaw, pitch], ...], watched}] and faces: those of a message, unsure as in people.js
  show(zones, faces) {
    this.#zones = zones;
    this.#faces = faces.filter(({ relative_deg }) => relative_deg !== null && !relative_deg.includes(null));
    setAttribute(this.#svg, "aria-label", inWords(zones, this.#faces));
    this.#draw();
  }

  #draw() {
    const width = this.#svg.clientWidth;
    if (width === 0) return;
    const range = { yaw: this.#range("yaw", 0), pitch: this.#range("pitch", 1) };
    const height = Math.round(width * Math.min(STEEPEST, Math.max(FLATTEST, range.pitch / range.yaw)));
    const place = ([yaw, pitch]) => [(0.5 - yaw / (2 * range.yaw)) * width, (0.5 - pitch / (2 * range.pitch)) * height];
    const wanted = JSON.stringify([this.#zones, width]);
    if (this.#drawn !== wanted) {
      this.#drawn = wanted;
      this.#svg.style.height = `${height}px`;
      this.#drawBackground(range, place, width, height);
    }
    this.#drawDots(place, width, height);
  }

  #range(name, angle) {
    const largest = Math.max(...this.#zones.flatMap(({ polygon }) => polygon.map((corner) => Math.abs(corner[angle]))));
    return Math.max(SMALLEST_DEG[name], largest * (1 + EDGE));
  }

  #drawBackground(range, place, width, height) {
    const ground = this.#svg.firstElementChild;
    ground.replaceChildren();
    for (const { name, polygon, watched } of this.#zones) {
      const points = polygon.map((corner) => place(corner).join(",")).join(" ");
      ground.append(make("polygon", { points, "data-zone": name, "data-watched": watched }));
    }
    const ticks = (limit) => [-2, -1, 1, 2].map((step) => step * STEP_DEG * Math.ceil(limit / STEP_DEG / 3));
    const lines = make("g", { class: "ticks" });
    lines.append(make("path", { d: `M0 ${height / 2}H${width}M${width / 2} 0V${height}` }));
    for (const yaw of ticks(range.yaw)) {
      const [x, y] = place([yaw, 0]);
      if (x > 16 && x < width - 16) lines.append(make("path", { d: `M${x} ${y - 4}v8` }), label(x, height - 6, degrees(yaw)));
    }
    for (const pitch of ticks(range.pitch)) {
      const [x, y] = place([0, pitch]);
      if (y > 8 && y < height - 24) {
        lines.append(make("path", { d: `M${x - 4} ${y}h8` }), label(6, y, degrees(pitch), "side"));
      }
    }
    ground.append(lines);
    for (const { name, polygon } of this.#zones) {
      const top = place(polygon.reduce((a, b) => (b[1] > a[1] ? b : a)));
      const middle = polygon.reduce((sum, corner) => sum + place(corner)[0], 0) / polygon.length;
      ground.append(label(middle, Math.max(0, top[1]), name, "name"));
    }
  }

  #drawDots(place, width, height) {
    const present = new Set(this.#faces.map(({ key }) => key));
    for (const [key, { group }] of this.#dots) {
      if (present.has(key)) continue;
      group.remove();
      this.#dots.delete(key);
    }
    for (const face of this.#faces) {
      if (!this.#dots.has(face.key)) this.#dots.set(face.key, this.#newDot(face));
      const { group, name } = this.#dots.get(face.key);
      const [x, y] = place(face.relative_deg);
      const inside = [Math.min(width - REACH, Math.max(REACH, x)), Math.min(height - REACH, Math.max(REACH, y))];
      group.setAttribute("transform", `translate(${inside.join(" ")})`);
      group.style.setProperty("--identity", lineColor(face.color));
      setAttribute(group, "data-doubtful", face.unsure);
      setAttribute(group, "data-outside", face.outside_s !== null);
      // The name lies on the side with more room.
      setAttribute(name, "text-anchor", inside[0] > width - 40 ? "end" : "start");
      setAttribute(name, "x", inside[0] > width - 40 ? -10 : 10);
      setText(name, this.#faces.length > NAMED ? "" : face.label);
    }
  }

  #newDot({ key }) {
    const name = label(10, 0, "", "face");
    const group = make("g", { class: "dot", "data-key": key });
    group.append(make("circle", { r: 10, class: "ring" }), make("circle", { r: 6 }), name);
    this.#svg.lastElementChild.append(group);
    return { group, name };
  }
}

function inWords(zones, faces) {
  const names = zones.map(({ name }) => name).join(", ");
  const where = faces.map(({ label, zone }) => `${label} in ${zone ?? "none of them"}`);
  return [`Zones ${names}`, ...where].join("; ");
}

function make(tag, attributes = {}) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function label(x, y, text, kind = "under") {
  const made = make("text", { x, y, class: kind });
  made.textContent = text;
  return made;
}

function degrees(value) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value)}°`;
}

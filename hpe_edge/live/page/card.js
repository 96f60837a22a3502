// Card of one face: its head, its numbers, and words where something is to be said.

import { degrees, make, setAttribute, setHidden, setIdentity, setText } from "./dom.js";
import { drawHead } from "./head.js";
import { posture } from "./message.js";

const NAMES = ["yaw", "pitch", "roll"];

export class Card {
  #parts; // of the head
  #cells;
  #visible = true; // on the screen; heads elsewhere are not drawn
  #stale = false;

  constructor({ key, color, label }, parts, observer) {
    this.#parts = parts;
    this.head = make("canvas", { role: "img" });
    this.name = make("button", { type: "button" }, `Face ${label}`);
    this.mark = make("span", { class: "mark" });
    this.zone = make("p", { class: "zone" });
    this.progress = make("progress", { max: 1 });
    this.words = make("span");
    this.zone.append(this.progress, this.words);
    this.#cells = NAMES.map((name) => ({
      angle: make("dd", { "data-angle": name }),
      sigma: make("dd", { class: "sigma", "data-sigma": name }),
    }));
    const figures = make("dl", { class: "figures" });
    NAMES.forEach((name, i) => {
      figures.append(make("div", {}, make("dt", {}, name), this.#cells[i].angle, this.#cells[i].sigma));
    });
    const title = make("div", { class: "title" }, make("h3", {}, this.name), this.mark);
    const body = make("div", { class: "body" }, title, figures, this.zone);
    this.node = make("article", { class: "card", "data-key": key }, this.head, body);
    setIdentity(this.node, color);
    this.node.card = this; // for the observer
    observer.observe(this.node);
  }

  set chosen(chosen) {
    setAttribute(this.name, "aria-pressed", chosen);
  }

  set visible(visible) {
    this.#visible = visible;
    if (visible && this.#stale) this.#draw();
  }

  // seen: face of a message, unsure as in people.js; view: see page.js, and the pixels of a head
  fill(seen, view) {
    const learning = view.relative && seen.relative_deg === null && seen.learning !== null;
    // Until there is a neutral pose, the camera's angles say that something happens.
    const { angles_deg, rotation } = posture(seen, view.relative && !learning);
    NAMES.forEach((_, i) => {
      const sigma = seen.sigma_deg[i];
      setText(this.#cells[i].angle, degrees(angles_deg[i]));
      setText(this.#cells[i].sigma, sigma === null ? "–" : `± ${sigma.toFixed(1)}°`);
    });
    const values = NAMES.map((name, i) => `${name} ${angles_deg[i] === null ? "unknown" : degrees(angles_deg[i])}`);
    setAttribute(this.head, "aria-label", `Head: ${values.join(", ")}${seen.unsure ? "; not sure" : ""}`);
    setText(this.mark, seen.unsure ? "? not sure" : learning ? "from camera" : "");
    setAttribute(this.node, "data-away", false);
    setAttribute(this.node, "data-doubtful", seen.unsure);
    setAttribute(this.node, "data-outside", seen.outside_s !== null);
    this.#fillZone(seen, view, learning);
    if (this.head.width !== view.pixels) this.head.width = this.head.height = view.pixels;
    this.head.rotation = rotation; // for tests, which also look at the pixels
    this.#draw();
  }

  #fillZone({ learning, zone, outside_s, unsure }, { attention, watched, learn_s }, fromCamera) {
    setHidden(this.zone, !attention);
    if (!attention) return;
    setHidden(this.progress, learning === null || unsure); // nothing is learned from a doubtful pose
    if (learning !== null) {
      this.progress.value = learning;
      setText(this.words, `${unsure && fromCamera ? "camera; " : ""}learning ${progressText(learning, learn_s)}`);
      return;
    }
    // Back in a watched zone, a person is marked until the event comes.
    const away = outside_s !== null && !watched.has(zone) ? [`away for ${outside_s.toFixed(1)} s`] : [];
    const where = zone !== null ? [`in ${zone}`] : watched.size > 0 && outside_s === null ? ["in no zone"] : [];
    setText(this.words, [...where, ...away].join(", "));
  }

  away(seconds) {
    setAttribute(this.node, "data-away", true);
    setAttribute(this.node, "data-outside", false);
    setText(this.mark, `gone ${Math.floor(seconds)} s`);
  }

  #draw() {
    this.#stale = !this.#visible;
    if (this.#stale) return;
    if (this.head.rotation !== null) drawHead(this.head, this.#parts, this.head.rotation);
    else this.head.getContext("2d").clearRect(0, 0, this.head.width, this.head.height);
  }
}

function progressText(learned, learn_s) {
  return learn_s === null ? `${Math.floor(100 * learned)} %` : `${Math.floor(learned * learn_s)} of ${learn_s.toFixed(0)} s`;
}

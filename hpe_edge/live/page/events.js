// List of events: who left which zone, when, and after how long they came back; newest first.

import { clock, element, make, setAttribute, setHidden, setIdentity, setText } from "./dom.js";

const SHOWN = 20; // departures

export class EventList {
  #list = element("events");
  #drawn = "";

  // events, oldest first, and faces: those of a message
  show(events, faces) {
    const present = new Set(faces.map(({ id }) => id));
    const entries = departures(events).slice(0, SHOWN);
    for (const entry of entries) if (entry.kind === "left" && !present.has(entry.id)) entry.kind = "gone";
    const wanted = JSON.stringify(entries);
    if (wanted === this.#drawn) return;
    this.#drawn = wanted;
    setHidden(element("no-events"), entries.length > 0);
    setHidden(this.#list, entries.length === 0);
    const known = new Map([...this.#list.children].map((item) => [item.dataset.event, item]));
    const items = entries.map((entry) => {
      const key = `${entry.id} ${entry.since_s}`;
      const item = known.get(key) ?? newItem(key, entry);
      setText(item.lastElementChild, whatBecame(entry));
      setAttribute(item, "data-open", entry.kind === "left");
      return item;
    });
    // Kept items stay in place, so that a screen reader says new ones only.
    for (const item of known.values()) if (!items.includes(item)) item.remove();
    items.forEach((item, i) => {
      if (this.#list.children[i] !== item) this.#list.insertBefore(item, this.#list.children[i] ?? null);
    });
  }
}

// One entry for a departure and what became of it.
function departures(events) {
  const entries = [];
  const open = new Map(); // by identity
  for (const { id, color, zone, kind, time_s, outside_s } of events) {
    if (kind === "left") {
      const entry = { id, color, zone, since_s: time_s - outside_s, kind: "left", outside_s };
      entries.unshift(entry);
      open.set(id, entry);
    } else if (open.has(id)) {
      Object.assign(open.get(id), { kind, outside_s });
      open.delete(id);
    }
  }
  return entries;
}

function whatBecame({ kind, outside_s }) {
  if (kind === "returned") return `, back after ${outside_s.toFixed(1)} s`;
  return { left: ", not back yet", gone: ", then gone", lost: ", then lost" }[kind];
}

function newItem(key, { id, color, zone, since_s }) {
  const left = zone === null ? "looked away" : `left ${zone}`;
  const words = make("span", {}, make("b", {}, `#${id}`), ` ${left} at ${clock(Math.max(0, since_s))}`);
  const item = make("li", { "data-event": key }, words, make("span", { class: "end" }));
  setIdentity(item, color);
  return item;
}

// Rates of the source and of the page, and the time from the pose to the screen.

import { element, setText } from "./dom.js";

const OVER_S = 2;

export class Rates {
  #recent = []; // {number, published_s, arrived_ms, latency_ms}

  clear() {
    this.#recent.length = 0;
  }

  forget() {
    for (const id of ["source-rate", "shown-rate", "latency"]) setText(element(id), "–");
  }

  note({ number, published_s, arrived_ms, latency_ms }) {
    const recent = this.#recent;
    recent.push({ number, published_s, arrived_ms, latency_ms });
    while (recent.length > 2 && arrived_ms - recent[0].arrived_ms > 1000 * OVER_S) recent.shift();
    const first = recent[0];
    const perSecond = (count, seconds) => (seconds > 0 ? `${(count / seconds).toFixed(1)} fps` : "–");
    setText(element("source-rate"), perSecond(number - first.number, published_s - first.published_s));
    setText(element("shown-rate"), perSecond(recent.length - 1, (arrived_ms - first.arrived_ms) / 1000));
    const latencies = recent.map((one) => one.latency_ms).filter((one) => !Number.isNaN(one));
    latencies.sort((a, b) => a - b);
    const median = latencies[Math.floor(latencies.length / 2)];
    setText(element("latency"), median === undefined ? "–" : `${median.toFixed(0)} ms`);
  }
}

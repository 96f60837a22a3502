// Yaw, pitch and roll over time, a line for each face with a band of one standard deviation.

const SPAN_S = 20;
const GAP_S = 1; // a longer silence is not bridged
const NAMES = ["yaw", "pitch", "roll"];
const RANGES_DEG = [15, 30, 45, 60, 90, 180];
const LEFT = 76;
const RIGHT = 12;
const BOTTOM = 22;
const BETWEEN = 10;

export class Plot {
  #canvas;
  #history = new Map(); // face -> [{time_s, angles, sigma}], oldest first

  constructor(canvas) {
    this.#canvas = canvas;
  }

  clear() {
    this.#history.clear();
  }

  add(key, time_s, angles, sigma) {
    if (!this.#history.has(key)) this.#history.set(key, []);
    this.#history.get(key).push({ time_s, angles, sigma });
  }

  // Forget what has left the picture; returns the faces that are still in it.
  forgetBefore(now_s) {
    for (const [key, points] of this.#history) {
      let gone = 0;
      while (gone < points.length && points[gone].time_s < now_s - SPAN_S) gone++;
      points.splice(0, gone);
      if (points.length === 0) this.#history.delete(key);
    }
    return new Set(this.#history.keys());
  }

  // faces: [{key, color, joined}]; those that are not followed from frame to frame are points, not lines.
  draw(now_s, faces) {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const density = window.devicePixelRatio || 1;
    this.#canvas.width = Math.round(width * density);
    this.#canvas.height = Math.round(height * density);
    const context = this.#canvas.getContext("2d");
    context.scale(density, density);
    const style = getComputedStyle(this.#canvas);
    const look = { ink: style.color, line: style.getPropertyValue("--line"), font: `13px ${style.fontFamily}` };
    const rowHeight = (height - BOTTOM - 2 * BETWEEN) / 3;
    const x = (time_s) => LEFT + ((time_s - now_s) / SPAN_S + 1) * (width - LEFT - RIGHT);
    NAMES.forEach((name, angle) => {
      const box = { top: angle * (rowHeight + BETWEEN), height: rowHeight, right: width - RIGHT };
      const range = this.#range(faces, angle);
      const y = (deg) => box.top + (0.5 - deg / (2 * range)) * box.height;
      drawGrid(context, look, box, name, range, x, y, now_s);
      context.save();
      context.beginPath();
      context.rect(LEFT, box.top, box.right - LEFT, box.height);
      context.clip();
      for (const face of faces) drawFace(context, face, this.#history.get(face.key) ?? [], angle, x, y);
      context.restore();
    });
    context.fillStyle = look.ink;
    context.textBaseline = "bottom";
    for (let ago = SPAN_S; ago >= 0; ago -= 5) {
      context.textAlign = ago === 0 ? "right" : "center";
      context.fillText(ago === 0 ? "now" : `−${ago} s`, x(now_s - ago) + (ago === 0 ? RIGHT : 0), height);
    }
  }

  #range(faces, angle) {
    let largest = 0;
    for (const { key } of faces) {
      for (const { angles } of this.#history.get(key) ?? []) largest = Math.max(largest, Math.abs(angles[angle]));
    }
    return RANGES_DEG.find((range) => largest <= range) ?? RANGES_DEG.at(-1);
  }
}

function drawGrid(context, look, box, name, range, x, y, now_s) {
  context.font = look.font;
  context.strokeStyle = look.line;
  context.fillStyle = look.ink;
  context.lineWidth = 1;
  context.beginPath();
  for (let ago = 0; ago <= SPAN_S; ago += 5) {
    context.moveTo(x(now_s - ago), box.top);
    context.lineTo(x(now_s - ago), box.top + box.height);
  }
  context.textAlign = "right";
  for (const deg of [range, 0, -range]) {
    context.moveTo(LEFT, y(deg));
    context.lineTo(box.right, y(deg));
    context.textBaseline = deg > 0 ? "top" : deg < 0 ? "bottom" : "middle";
    context.fillText(`${deg < 0 ? "−" : ""}${Math.abs(deg)}°`, LEFT - 6, y(deg));
  }
  context.stroke();
  context.textAlign = "left";
  context.fillText(name, 0, y(0) + 4);
}

function drawFace(context, face, points, angle, x, y) {
  context.fillStyle = face.color;
  context.strokeStyle = face.color;
  context.lineWidth = 2;
  for (const run of unbroken(points, angle)) {
    if (!face.joined || run.length === 1) {
      for (const point of run) context.fillRect(x(point.time_s) - 1.5, y(point.angles[angle]) - 1.5, 3, 3);
      continue;
    }
    context.globalAlpha = 0.2;
    context.beginPath();
    for (const point of run) context.lineTo(x(point.time_s), y(point.angles[angle] + (point.sigma[angle] ?? 0)));
    for (const point of run.toReversed()) {
      context.lineTo(x(point.time_s), y(point.angles[angle] - (point.sigma[angle] ?? 0)));
    }
    context.fill();
    context.globalAlpha = 1;
    context.beginPath();
    for (const point of run) context.lineTo(x(point.time_s), y(point.angles[angle]));
    context.stroke();
  }
}

// Parts without a silence and without a jump from 180 to -180 degrees.
function unbroken(points, angle) {
  const runs = [];
  let before;
  for (const point of points) {
    const goes_on =
      before !== undefined &&
      point.time_s - before.time_s <= GAP_S &&
      Math.abs(point.angles[angle] - before.angles[angle]) < 180;
    if (goes_on) runs.at(-1).push(point);
    else runs.push([point]);
    before = point;
  }
  return runs;
}

// Yaw, pitch and roll over time, a line for each face with a band of one standard deviation; pale where doubtful.

const SPAN_S = 20;
const STEP_S = 5; // of the grid
const GAP_S = 1; // a longer silence is not bridged
const NAMES = ["yaw", "pitch", "roll"];
const RANGES_DEG = [15, 30, 45, 60, 90, 180];
const LETTERS = 0.8; // size, as a share of the page's
const SMALLEST = 12; // pixels
const RIGHT = 12;
const BETWEEN = 10;
const PALE = 0.4;

export class Plot {
  #canvas;
  #history = new Map(); // face -> [{time_s, camera, relative, sigma, doubtful}], oldest first

  constructor(canvas) {
    this.#canvas = canvas;
  }

  clear() {
    this.#history.clear();
  }

  // point: {camera, relative, sigma, doubtful}; camera and relative are three angles, or null if they are not known
  add(key, time_s, point) {
    if (!this.#history.has(key)) this.#history.set(key, []);
    this.#history.get(key).push({ time_s, ...point });
  }

  forgetBefore(now_s) {
    for (const [key, points] of this.#history) {
      let gone = 0;
      while (gone < points.length && points[gone].time_s < now_s - SPAN_S) gone++;
      points.splice(0, gone);
      if (points.length === 0) this.#history.delete(key);
    }
  }

  // A curve of the face is known; frame as for draw.
  remembers(key, frame) {
    return this.#points(key, frame).length > 0;
  }

  // faces: [{key, color, joined}]; those that are not followed from frame to frame are points, not lines.
  // frame: "camera" or "relative"
  draw(now_s, faces, frame) {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const density = window.devicePixelRatio || 1;
    this.#canvas.width = Math.round(width * density);
    this.#canvas.height = Math.round(height * density);
    const context = this.#canvas.getContext("2d");
    context.scale(density, density);
    const style = getComputedStyle(this.#canvas);
    const size = Math.max(SMALLEST, LETTERS * parseFloat(style.fontSize));
    const look = { ink: style.color, line: style.getPropertyValue("--line"), font: `${size}px ${style.fontFamily}` };
    context.font = look.font;
    const left = context.measureText("pitch −180° ").width;
    const rowHeight = (height - 1.7 * size - 2 * BETWEEN) / 3; // below are the times
    const x = (time_s) => left + ((time_s - now_s) / SPAN_S + 1) * (width - left - RIGHT);
    const lines = faces.map((face) => ({ ...face, points: this.#points(face.key, frame) }));
    NAMES.forEach((name, angle) => {
      const box = { top: angle * (rowHeight + BETWEEN), height: rowHeight, left, right: width - RIGHT };
      const range = rangeOf(lines, angle);
      const y = (deg) => box.top + (0.5 - deg / (2 * range)) * box.height;
      drawGrid(context, look, box, name, range, x, y, now_s);
      context.save();
      context.beginPath();
      context.rect(left, box.top, box.right - left, box.height);
      context.clip();
      for (const line of lines) drawLine(context, line, angle, x, y);
      context.restore();
    });
    drawTimes(context, look, now_s, x, height);
  }

  #points(key, frame) {
    const known = (this.#history.get(key) ?? []).filter((point) => point[frame] !== null);
    return known.map(({ time_s, sigma, doubtful, [frame]: angles }) => ({ time_s, angles, sigma, doubtful }));
  }
}

function rangeOf(lines, angle) {
  let largest = 0;
  for (const { points } of lines) {
    for (const { angles } of points) largest = Math.max(largest, Math.abs(angles[angle]));
  }
  return RANGES_DEG.find((range) => largest <= range) ?? RANGES_DEG.at(-1);
}

function drawGrid(context, look, box, name, range, x, y, now_s) {
  context.font = look.font;
  context.strokeStyle = look.line;
  context.fillStyle = look.ink;
  context.lineWidth = 1;
  context.beginPath();
  for (let ago = 0; ago <= SPAN_S; ago += STEP_S) {
    context.moveTo(x(now_s - ago), box.top);
    context.lineTo(x(now_s - ago), box.top + box.height);
  }
  context.textAlign = "right";
  for (const deg of [range, 0, -range]) {
    context.moveTo(box.left, y(deg));
    context.lineTo(box.right, y(deg));
    context.textBaseline = deg > 0 ? "top" : deg < 0 ? "bottom" : "middle";
    context.fillText(`${deg < 0 ? "−" : ""}${Math.abs(deg)}°`, box.left - 6, y(deg));
  }
  context.stroke();
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(name, 0, y(0));
}

function drawTimes(context, look, now_s, x, height) {
  context.fillStyle = look.ink;
  context.textBaseline = "bottom";
  const roomy = x(now_s) - x(now_s - STEP_S) > 1.3 * context.measureText(`−${SPAN_S} s`).width;
  for (let ago = SPAN_S; ago >= 0; ago -= roomy ? STEP_S : 2 * STEP_S) {
    context.textAlign = ago === 0 ? "right" : "center";
    context.fillText(ago === 0 ? "now" : `−${ago} s`, x(now_s - ago) + (ago === 0 ? RIGHT : 0), height);
  }
}

function drawLine(context, { points, color, joined }, angle, x, y) {
  context.fillStyle = color;
  context.strokeStyle = color;
  context.lineWidth = 2;
  for (const run of unbroken(points, angle)) {
    const strength = run[0].doubtful ? PALE : 1;
    context.globalAlpha = strength;
    if (!joined || run.length === 1) {
      for (const point of run) context.fillRect(x(point.time_s) - 1.5, y(point.angles[angle]) - 1.5, 3, 3);
      continue;
    }
    context.globalAlpha = 0.2 * strength;
    context.beginPath();
    for (const point of run) context.lineTo(x(point.time_s), y(point.angles[angle] + (point.sigma[angle] ?? 0)));
    for (const point of run.toReversed()) {
      context.lineTo(x(point.time_s), y(point.angles[angle] - (point.sigma[angle] ?? 0)));
    }
    context.fill();
    context.globalAlpha = strength;
    context.beginPath();
    for (const point of run) context.lineTo(x(point.time_s), y(point.angles[angle]));
    context.stroke();
  }
  context.globalAlpha = 1;
}

// Parts of one strength, without a silence and without a jump from 180 to -180 degrees. Where only the strength
// changes, the new part begins at the old one's end.
function unbroken(points, angle) {
  const runs = [];
  let before;
  for (const point of points) {
    const goes_on =
      before !== undefined &&
      point.time_s - before.time_s <= GAP_S &&
      Math.abs(point.angles[angle] - before.angles[angle]) < 180;
    if (goes_on && before.doubtful === point.doubtful) runs.at(-1).push(point);
    else if (goes_on) runs.push([{ ...before, doubtful: point.doubtful }, point]);
    else runs.push([point]);
    before = point;
  }
  return runs;
}

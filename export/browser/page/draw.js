// Draws poses into a picture as hpe_edge/drawing does: the head's axes, the box's corners, a label. Colours are those of
// HopeNet's figures: x red, to the right in the image for a face that looks into the camera; y green, to its chin; the
// nose's direction blue.

const AXES = [
  { axis: [1, 0, 0], color: "rgb(235, 40, 40)" },
  { axis: [0, 1, 0], color: "rgb(40, 200, 60)" },
  { axis: [0, 0, -1], color: "rgb(30, 90, 245)" },
];
const AXIS_LENGTH = 0.75; // in longer sides of the box
const SMOOTH = 1.5; // pixels by which OpenCV's smoothed lines are wider than they are called
const PALE = 0.45; // weight of the drawing of a doubtful face
const ROOMY = 400; // pixels; in lower pictures a second line of text would hide other faces
const CAPITAL = 0.72; // height of a capital letter, of the font's size

/**
 * @param {OffscreenCanvasRenderingContext2D | CanvasRenderingContext2D} context drawn on
 * @param {import("../js/engine.js").FacePose[]} poses
 * @param {boolean} [labels]
 */
export function drawPoses(context, poses, labels = true) {
  const known = poses.filter(({ angles }) => angles.every(Number.isFinite));
  const side = ({ box }) => Math.max(box[2] - box[0], box[3] - box[1]);
  known.sort((a, b) => side(a) - side(b)); // small faces are usually further away
  const drawAll = (onto, some) => {
    for (const pose of some) {
      drawShape(onto, pose, side(pose));
      if (labels) drawLabel(onto, pose);
    }
  };
  const pale = known.filter(({ doubtful }) => doubtful);
  if (pale.length > 0) {
    const sheet = new OffscreenCanvas(context.canvas.width, context.canvas.height);
    drawAll(sheet.getContext("2d"), pale);
    context.globalAlpha = PALE;
    context.drawImage(sheet, 0, 0);
    context.globalAlpha = 1;
  }
  drawAll(
    context,
    known.filter(({ doubtful }) => !doubtful),
  );
}

function drawShape(context, { box, rotation: r }, side) {
  const [x1, y1, x2, y2] = box;
  const fine = fineLine(context.canvas);
  const thickness = Math.max(2, fine, Math.round(side / 45));
  const reach = 0.2 * Math.min(x2 - x1, y2 - y1);
  const whole = (at) => Math.round(at - 0.5) + 0.5; // crisp
  const corners = [
    [x1, reach],
    [x2, -reach],
  ].flatMap(([x, dx]) =>
    [
      [y1, reach],
      [y2, -reach],
    ].map(([y, dy]) => [
      [whole(x + dx), whole(y)],
      [whole(x), whole(y)],
      [whole(x), whole(y + dy)],
    ]),
  );
  strokeLines(context, corners, "white", Math.max(fine, Math.floor(thickness / 2)));
  const [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2];
  const turned = AXES.map(({ axis, color }) => {
    const [right, down, away] = [0, 3, 6].map((row) => r[row] * axis[0] + r[row + 1] * axis[1] + r[row + 2] * axis[2]);
    const length = AXIS_LENGTH * side;
    return {
      line: [
        [x, y],
        [x + length * right, y + length * down],
      ],
      away,
      color,
    };
  });
  turned.sort((a, b) => b.away - a.away); // nearer lines cover further ones
  for (const { line, color } of turned) strokeLines(context, [line], color, thickness + SMOOTH);
}

/** Pixels of a line that is seen when the picture fills a screen. */
function fineLine({ width, height }) {
  return Math.max(1, Math.round(Math.min(width, height) / 360));
}

/** A dark rim keeps the lines visible on any background. */
function strokeLines(context, lines, color, thickness) {
  context.lineCap = context.lineJoin = "round";
  for (const [style, width] of [
    ["black", thickness + 2],
    [color, thickness],
  ]) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.beginPath();
    for (const [[x, y], ...rest] of lines) {
      context.moveTo(x, y);
      for (const [px, py] of rest) context.lineTo(px, py);
    }
    context.stroke();
  }
}

/** Above the forehead, or below the chin where there is no room. */
function drawLabel(context, { box, angles, sigma, doubtful }) {
  const [x1, y1, x2, y2] = box;
  const { width, height } = context.canvas;
  const capital = Math.max(0.07 * (y2 - y1), height / 70, 8);
  const pad = Math.max(2, Math.round(0.4 * capital));
  context.font = `${capital / CAPITAL}px system-ui, sans-serif`;
  context.textBaseline = "alphabetic";
  const lines = [`${doubtful ? "? " : ""}Y${signed(angles[0])} P${signed(angles[1])} R${signed(angles[2])}`];
  if (height >= ROOMY && sigma.every(Number.isFinite))
    lines.push(`sigma ${sigma.map((each) => each.toFixed(0)).join(" ")}`);
  const wide = Math.max(...lines.map((line) => context.measureText(line).width)) + 2 * pad;
  const high = lines.length * (capital + pad) + pad;
  const above = y1 - 0.25 * (y2 - y1) - capital / 4 - high; // boxes end at the eyebrows, faces do not
  const inside = (at, most) => Math.round(Math.max(Math.min(at, most), 0));
  const left = inside((x1 + x2 - wide) / 2, width - wide);
  const top = inside(above >= 0 ? above : y2 + capital / 4, height - high);
  context.fillStyle = "black";
  context.fillRect(left, top, wide, high);
  context.fillStyle = "white";
  lines.forEach((line, i) => context.fillText(line, left + pad, top + (i + 1) * (capital + pad)));
}

function signed(value) {
  const whole = Math.round(value);
  return `${whole < 0 ? "−" : "+"}${Math.abs(whole)}`;
}

// Looks at a frame: its size in the input, quarter turns, the way back to the frame's pixels, and which boxes of several
// looks stay; see hpe_edge/faces/grids, whose constants these are.

export const MULTIPLE = 64; // sides of the input are multiples of it
const LONGEST_SIDE = 640; // larger frames are shrunk to it
const SMALL = 2; // enlargement of the look for small faces

const WIDE_SIDE = 224; // pixels that the wide look gives the frame's longer side
const WIDE_MARGIN = 0.3; // on each side, of the frame's
const WIDE_LEAST = 0.4; // smallest face that it adds, of the frame's shorter side

export const UNSURE = 0.78; // best score below which the turned frame is looked at, and threshold of faces found there
const INNER = 0.6; // part of a box that lies in a surer one
const SAME = 0.2; // shared part of the smaller of two boxes on the same spot
const CLEARLY = 0.08; // by which the score of a turned look exceeds that of an upright one

/**
 * @typedef {object} Look one run of the network
 * @property {number[]} size width and height of the input, before its turn
 * @property {number} scale pixels of the frame per pixel of the input
 * @property {number[]} corner the frame's top left in the input
 * @property {number} quarters counterclockwise quarter turns of the input, after that
 * @typedef {import("./detector.js").Found} Found
 */

/** The look at the whole frame. @returns {Look} */
export function wholeLook(width, height) {
  return lookAt(width, height, LONGEST_SIDE);
}

/** A closer one, for small faces; null if the frame was not shrunk. @returns {Look | null} */
export function closeLook(width, height) {
  return Math.max(width, height) > LONGEST_SIDE ? lookAt(width, height, SMALL * LONGEST_SIDE) : null;
}

function lookAt(width, height, longest) {
  const scale = Math.max(Math.max(width, height) / longest, 1);
  const size = [width, height].map((side) => Math.ceil((side / scale - 1e-6) / MULTIPLE) * MULTIPLE);
  return { size, scale, corner: [0, 0], quarters: 0 };
}

/** The look at the shrunk frame with a margin, for faces that fill the frame or leave it. @returns {Look} */
export function wideLook(width, height) {
  const scale = Math.max(width, height) / WIDE_SIDE;
  const around = 1 + 2 * WIDE_MARGIN;
  const size = [width, height].map((side) => Math.ceil((side * around) / scale / MULTIPLE) * MULTIPLE);
  const corner = [width, height].map((side, i) => Math.floor((size[i] - side / scale) / 2));
  return { size, scale, corner, quarters: 0 };
}

/** Width and height of a look's turned input. @param {Look} look */
export function turnedSize({ size, quarters }) {
  return quarters % 2 === 0 ? size : [size[1], size[0]];
}

/**
 * A face in pixels of the frame.
 * @param {Look} look
 * @param {Found} face in pixels of the turned input
 * @returns {Found}
 */
export function inFrame(look, { box, score, keypoints }) {
  /** @param {number[]} point */
  const placed = ([x, y]) => {
    const [width, height] = look.size;
    const unturned = [
      [x, y],
      [width - y, x],
      [width - x, height - y],
      [y, height - x],
    ][look.quarters];
    return unturned.map((at, axis) => (at - look.corner[axis]) * look.scale);
  };
  const [one, other] = [placed(box.slice(0, 2)), placed(box.slice(2))];
  const corners = [Math.min, Math.max].flatMap((pick) => [0, 1].map((axis) => pick(one[axis], other[axis])));
  return { box: corners, score, keypoints: keypoints.map(placed) };
}

/**
 * Three planes, turned counterclockwise by quarters.
 * @param {Float32Array} picture [3, height, width]
 * @param {number[]} size width and height
 * @param {number} quarters
 */
export function turnedPicture(picture, [width, height], quarters) {
  if (quarters === 0) return picture;
  const [across, down] = turnedSize({ size: [width, height], scale: 1, corner: [0, 0], quarters });
  const turned = new Float32Array(picture.length);
  for (let plane = 0, at = 0; plane < 3; plane++) {
    const from = plane * width * height;
    for (let row = 0; row < down; row++) {
      for (let column = 0; column < across; column++, at++) {
        if (quarters === 1) turned[at] = picture[from + column * width + width - 1 - row];
        else if (quarters === 2) turned[at] = picture[from + (height - 1 - row) * width + width - 1 - column];
        else turned[at] = picture[from + (height - 1 - column) * width + row];
      }
    }
  }
  return turned;
}

/** Those of the wide look's faces that are large enough for it. @param {Found[]} faces */
export function largeOnes(faces, width, height) {
  const least = WIDE_LEAST * Math.min(width, height);
  return faces.filter(({ box }) => Math.max(box[2] - box[0], box[3] - box[1]) >= least);
}

/**
 * Faces without those that mostly lie in a surer one of the wide look: the network draws parts of a face that is too large
 * for it, which overlap the whole one too little for suppression.
 * @param {Found[]} faces
 * @param {Found[]} wide
 */
export function withoutParts(faces, wide) {
  const isPart = ({ box, score }, whole) => whole.score > score && shared(box, whole.box) > INNER * area(box);
  return faces.filter((face) => !wide.some((whole) => isPart(face, whole)));
}

/**
 * Both, without turned faces that are not clearly surer than upright ones in their place, or else these.
 * @param {Found[]} upright
 * @param {Found[]} turned
 */
export function withoutRivals(upright, turned) {
  const same = (one, other) => shared(one.box, other.box) / Math.min(area(one.box), area(other.box)) > SAME;
  const surer = (one, other) => one.score > other.score + CLEARLY;
  const kept = turned.filter((one) => upright.every((other) => !same(one, other) || surer(one, other)));
  const beaten = (other) => kept.some((one) => same(one, other) && surer(one, other));
  return [...upright.filter((other) => !beaten(other)), ...kept];
}

/** The face's centre lies in the frame. @param {Found} face */
export function isCentredIn({ box }, width, height) {
  const [x, y] = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
  return 0 <= x && x <= width && 0 <= y && y <= height;
}

function shared(a, b) {
  const sides = [0, 1].map((axis) => Math.min(a[axis + 2], b[axis + 2]) - Math.max(a[axis], b[axis]));
  return Math.max(sides[0], 0) * Math.max(sides[1], 0);
}

function area(box) {
  return (box[2] - box[0]) * (box[3] - box[1]);
}

// A head that turns: ellipsoids, seen from far away as the axes in the picture are, cast ray by ray into a canvas. No
// WebGL, so that it also works where there is no graphics card, and for any number of faces.

const LIGHT = [-0.35, -0.5, -0.79]; // from the camera's left, above
const HALF_HEIGHT = 0.36; // of the head, as a share of the canvas; its nose reaches further when it turns

// In the head's frame: x to the image's right, y to the chin, z to the back of the head.
export async function loadHead() {
  const answer = await fetch("head.json");
  if (!answer.ok) throw new Error(`head.json: ${answer.status}`);
  return answer.json();
}

// rotation: nine numbers, row by row, head to camera.
export function drawHead(canvas, parts, rotation) {
  const side = canvas.width;
  const context = canvas.getContext("2d");
  const image = context.createImageData(side, side);
  const nearest = new Float32Array(side * side).fill(Infinity);
  for (const part of parts) castPart(image.data, nearest, side, part, rotation);
  context.putImageData(image, 0, 0);
}

// The points p of an ellipsoid have p'Mp = 1 about its centre, M = R diag(1 / radii^2) R'. Along the line of sight, z,
// that is a quadratic equation; the smaller root is the near side, and Mp there is its normal.
function castPart(pixels, nearest, side, part, r) {
  const unit = HALF_HEIGHT * side;
  const m = (i, j) => sum3((k) => (r[3 * i + k] * r[3 * j + k]) / part.radii[k] ** 2);
  const [xx, xy, xz, yy, yz, zz] = [m(0, 0), m(0, 1), m(0, 2), m(1, 1), m(1, 2), m(2, 2)];
  const center = [0, 1, 2].map((i) => sum3((k) => r[3 * i + k] * part.center[k]));
  const reach = [0, 1].map((i) => Math.sqrt(sum3((k) => (r[3 * i + k] * part.radii[k]) ** 2)));
  const first = (i) => Math.max(0, Math.floor((center[i] - reach[i]) * unit + side / 2));
  const last = (i) => Math.min(side - 1, Math.ceil((center[i] + reach[i]) * unit + side / 2));
  for (let row = first(1); row <= last(1); row++) {
    const y = (row - side / 2) / unit - center[1];
    for (let column = first(0); column <= last(0); column++) {
      const x = (column - side / 2) / unit - center[0];
      const b = xz * x + yz * y;
      const root = b * b - zz * (xx * x * x + 2 * xy * x * y + yy * y * y - 1);
      if (root < 0) continue;
      const z = (-b - Math.sqrt(root)) / zz;
      const at = row * side + column;
      if (center[2] + z >= nearest[at]) continue;
      nearest[at] = center[2] + z;
      const normal = [xx * x + xy * y + xz * z, xy * x + yy * y + yz * z, xz * x + yz * y + zz * z];
      const bright = 0.72 + (0.33 * sum3((k) => normal[k] * LIGHT[k])) / Math.hypot(...normal);
      for (let k = 0; k < 3; k++) pixels[4 * at + k] = bright * part.rgb[k];
      pixels[4 * at + 3] = 255;
    }
  }
}

function sum3(term) {
  return term(0) + term(1) + term(2);
}

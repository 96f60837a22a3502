// Greedy non-maximum suppression.

/**
 * @template {{box: number[], score: number}} Face
 * @param {Face[]} faces
 * @param {number} iou a face is removed if its intersection over union with a kept one is larger
 * @returns {Face[]} best score first; of equal scores the earlier one wins
 */
export function suppress(faces, iou) {
  const kept = [];
  for (const face of [...faces].sort((a, b) => b.score - a.score)) {
    if (kept.every((other) => overlap(face.box, other.box) <= iou)) kept.push(face);
  }
  return kept;
}

/** Intersection over union. @param {number[]} a @param {number[]} b */
export function overlap(a, b) {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  const shared = Math.max(width, 0) * Math.max(height, 0);
  const area = (box) => (box[2] - box[0]) * (box[3] - box[1]);
  return shared / (area(a) + area(b) - shared);
}

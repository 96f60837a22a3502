// Angles and rotations, in the conventions of hpe_edge/geometry.py: degrees; yaw > 0, the face turns to the left of the
// image; pitch > 0, it looks up; roll > 0, it tilts clockwise in the image. Rotations are nine numbers, row by row, head
// to camera (x right, y down, z away from the camera), R = Rx(-pitch) Ry(yaw) Rz(roll).

const DEG = Math.PI / 180;

/**
 * @typedef {[number, number, number]} Angles yaw, pitch, roll in degrees
 * @typedef {number[]} Rotation nine numbers
 */

/** @param {number[]} angles @returns {Rotation} */
export function rotationFromEuler([yaw, pitch, roll]) {
  const [sy, sp, sr] = [yaw, pitch, roll].map((each) => Math.sin(each * DEG));
  const [cy, cp, cr] = [yaw, pitch, roll].map((each) => Math.cos(each * DEG));
  // prettier-ignore
  return [
    cy * cr, -cy * sr, sy,
    cp * sr - sp * sy * cr, cp * cr + sp * sy * sr, sp * cy,
    -sp * sr - cp * sy * cr, -sp * cr + cp * sy * sr, cp * cy,
  ];
}

/**
 * Yaw within [-90, 90]. At |yaw| = 90 degrees only pitch and roll together are known; there roll is 0.
 * @param {Rotation} r
 * @returns {Angles}
 */
export function eulerFromRotation(r) {
  const cy = Math.hypot(r[0], r[1]);
  const locked = cy < 1e-6;
  const pitch = locked ? Math.atan2(-r[7], r[4]) : Math.atan2(r[5], r[8]);
  const [s, c] = [Math.sin(pitch), Math.cos(pitch)];
  const roll = locked ? 0 : Math.atan2(c * r[3] - s * r[6], c * r[4] - s * r[7]); // makes up for an ill-conditioned pitch
  return [Math.atan2(r[2], cy) / DEG, pitch / DEG, roll / DEG];
}

/**
 * Pitch within [-90, 90] and yaw within [-180, 180]: no head nods by more than 90 degrees.
 * @param {Rotation} r
 * @returns {Angles}
 */
export function eulerFullYaw(r) {
  const [yaw, pitch, roll] = eulerFromRotation(r);
  return Math.abs(pitch) > 90 ? [wrapDeg(180 - yaw), wrapDeg(180 + pitch), wrapDeg(180 + roll)] : [yaw, pitch, roll];
}

/**
 * The label triple of angles whose turns are R = Rz(roll) Rx(-pitch) Ry(yaw), which stay unique in profile.
 * @param {number[]} angles
 * @returns {Angles}
 */
export function labelsFromZxy([yaw, pitch, roll]) {
  const turned = multiply(rotationFromEuler([0, pitch, 0]), rotationFromEuler([yaw, 0, 0]));
  return eulerFullYaw(multiply(rotationFromEuler([0, 0, roll]), turned));
}

/**
 * The label triple of a network's matrix, which is not R but Rz(roll) Ry(yaw) Rx(pitch) of the signed triple, the
 * convention of 6DRepNet. At yaw = +-90 degrees the family puts all in pitch.
 * @param {number[]} m
 * @param {number[]} signs of yaw, pitch, roll
 * @returns {Angles}
 */
export function labelsFromMatrix(m, signs) {
  const cy = Math.hypot(m[0], m[3]);
  const locked = cy < 1e-6;
  const pitch = locked ? Math.atan2(-m[5], m[4]) : Math.atan2(m[7], m[8]);
  const roll = locked ? 0 : Math.atan2(m[3], m[0]);
  const sound = m.every(Number.isFinite) ? 1 : NaN; // the triple needs only some of the nine
  return [(sound * signs[0] * Math.atan2(-m[6], cy)) / DEG, (signs[1] * pitch) / DEG, (signs[2] * roll) / DEG];
}

/** @param {Rotation} a @param {Rotation} b @returns {Rotation} a b */
export function multiply(a, b) {
  const product = [];
  for (let i = 0; i < 9; i += 3) {
    for (let j = 0; j < 3; j++) product.push(a[i] * b[j] + a[i + 1] * b[j + 3] + a[i + 2] * b[j + 6]);
  }
  return product;
}

/** Angle between two rotations, 0 to 180 degrees. @param {Rotation} a @param {Rotation} b */
export function geodesicDeg(a, b) {
  // From the length of a - b, which is exact for small angles too.
  const length = Math.hypot(...a.map((each, i) => each - b[i]));
  return (2 * Math.asin(Math.min(length / Math.sqrt(8), 1))) / DEG;
}

/** Into [-180, 180). @param {number} angle_deg */
export function wrapDeg(angle_deg) {
  return ((((angle_deg + 180) % 360) + 360) % 360) - 180;
}

// Upright crops: the in-plane roll of a face, and the undoing of a crop's turn. R = Rz(t) R', exactly, whatever t is.

import { eulerFullYaw, multiply, rotationFromEuler } from "./rotation.js";

export const SECOND_PASS_ROLL_DEG = 15; // a second pass pays for faces whose first answer is rolled further

/**
 * In degrees, above 0 for a face that is tilted clockwise; NaN where an eye or a corner of the mouth is NaN.
 * @param {number[][]} points five x y: eyes, tip of the nose, corners of the mouth
 */
export function rollFromKeypoints([right, left, , mouthRight, mouthLeft]) {
  const down = [0, 1].map((i) => (mouthRight[i] + mouthLeft[i] - right[i] - left[i]) / 2);
  return rollOf(down[0], down[1]);
}

/** That of the head's downward axis in the image. @param {number[]} rotation */
export function rollOfRotation(rotation) {
  return rollOf(rotation[1], rotation[4]);
}

function rollOf(x, y) {
  return x === 0 && y === 0 ? NaN : (Math.atan2(-x, y) * 180) / Math.PI;
}

/**
 * The pose in the picture of one that was estimated in a turned crop.
 * @param {import("./decode.js").Pose} pose
 * @param {number} turn_deg
 * @returns {import("./decode.js").Pose}
 */
export function undoTurn(pose, turn_deg) {
  if (turn_deg === 0) return pose;
  const rotation = multiply(rotationFromEuler([0, 0, turn_deg]), pose.rotation);
  return { ...pose, rotation, angles: eulerFullYaw(rotation) };
}

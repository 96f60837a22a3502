// Search of the turn of doubtful faces: which are asked again in crops turned all around, and which answer is taken; see
// hpe_edge/upright/search.py, whose constants these are.

import { geodesicDeg } from "./rotation.js";

export const ASK_AGAIN_SIGMA_DEG = 8; // root mean square of the sigmas beyond which a face is asked again
const LOOKS = 8; // crops of a face, evenly around the circle
const SURER = 0.8; // sigma of an answer that replaces the first, in sigmas of the first
const ALIKE_DEG = 25; // distance of an answer that confirms another

/**
 * The turns of the other crops of a face whose first one was turned by `turn_deg`.
 * @param {number} turn_deg
 */
export function turnsOfLooks(turn_deg) {
  return Array.from({ length: LOOKS - 1 }, (_, i) => turn_deg + ((i + 1) * 360) / LOOKS);
}

/** Root mean square of three sigmas. @param {number[]} sigma */
export function sigmaRms(sigma) {
  return Math.sqrt(sigma.reduce((sum, each) => sum + each * each, 0) / sigma.length);
}

/**
 * The answer that is taken: the surest, where it clearly is, differs from the first one, and another one agrees; else the
 * first.
 * @template {import("./decode.js").Pose} Pose
 * @param {Pose[]} answers of one face, in the picture; the first is the answer so far
 * @returns {Pose}
 */
export function bestAnswer(answers) {
  const sigmas = answers.map(({ sigma }) => sigmaRms(sigma)).map((each) => (Number.isNaN(each) ? Infinity : each));
  const best = sigmas.indexOf(Math.min(...sigmas));
  const away = answers.map(({ rotation }) => geodesicDeg(rotation, answers[best].rotation));
  const surer = sigmas[best] < SURER * sigmas[0];
  const confirmed = away.filter((each) => each < ALIKE_DEG).length > 1; // itself included; false for NaN
  const another = away[0] >= ALIKE_DEG; // else the first crop was no turned face's
  return answers[surer && confirmed && another ? best : 0];
}

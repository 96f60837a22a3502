// Face detection in a video: the whole frame every few frames, regions around known faces between; see
// hpe_edge/faces/grids/region_schedule.py.

const EVERY = 4; // frames between looks at the whole frame, which find new faces
const REACH = 2.5; // side of a region in longer sides of the face's box
const FASTEST = 1.5; // sides of its box that a face moves between frames
const MOST_REGIONS = 12; // more take longer than the whole frame

/** Detector for the frames of one video, in their order. */
export class RegionSchedule {
  /** @param {import("./detector.js").FaceDetector} detector */
  constructor(detector) {
    this.detector = detector;
    this.since = EVERY;
    this.size = "";
    this.boxes = [];
    this.motion = [];
  }

  /**
   * @param {import("./planes.js").Frame} frame the next one
   * @returns {Promise<import("./detector.js").Found[]>}
   */
  async find(frame) {
    this.since++;
    const size = `${frame.width} ${frame.height}`;
    const goesOn = this.since < EVERY && size === this.size;
    if (goesOn && this.boxes.length === 0) return [];
    let found = null;
    if (goesOn && this.boxes.length <= MOST_REGIONS) found = await this.detector.findIn(frame, this.regions());
    if (found === null || found.length < this.boxes.length) {
      found = await this.search(frame, size);
      this.since = 0;
    }
    this.follow(found.map(({ box }) => box));
    this.size = size;
    return found;
  }

  /** The whole frame, and regions around known faces that it does not give: they show more pixels. */
  async search(frame, size) {
    const found = await this.detector.find(frame);
    if (size !== this.size) return found;
    const held = (box) => found.some((other) => isCentredIn(box, other.box));
    const lost = this.regions()
      .filter((region) => !held(region))
      .slice(0, MOST_REGIONS);
    if (lost.length === 0) return found;
    const more = (await this.detector.findIn(frame, lost)).filter(({ box }) => !held(box));
    return [...found, ...more].sort((a, b) => a.box[0] - b.box[0]);
  }

  regions() {
    return this.boxes.map((box, i) => {
      const half = (REACH / 2) * Math.max(box[2] - box[0], box[3] - box[1]);
      const [x, y] = [0, 1].map((axis) => (box[axis] + box[axis + 2]) / 2 + this.motion[i][axis]);
      return [x - half, y - half, x + half, y + half];
    });
  }

  /** Takes the boxes of a frame, and their motion since the one before where it is known. */
  follow(boxes) {
    const middle = (box) => [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
    this.motion = boxes.map((box) => {
      const steps = this.boxes.map((before) => middle(box).map((at, axis) => at - middle(before)[axis]));
      const length = (step) => Math.max(...step.map(Math.abs));
      const nearest = steps.reduce((best, step) => (best === null || length(step) < length(best) ? step : best), null);
      const same = nearest?.every((at, axis) => Math.abs(at) < FASTEST * (box[axis + 2] - box[axis]));
      return same ? nearest : [0, 0];
    });
    this.boxes = boxes;
  }
}

/** The centre of a box lies in another. */
function isCentredIn(box, other) {
  const [x, y] = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
  return other[0] < x && x < other[2] && other[1] < y && y < other[3];
}

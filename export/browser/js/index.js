// Head pose in JavaScript: from pixels and boxes to angles, in a page or in Node, with ONNX Runtime Web.

export { FaceDetector } from "./detector.js";
export { PoseEngine } from "./engine.js";
export { BackendError, HpeEdgeError, InputError, ModelError } from "./errors.js";
export { RegionSchedule } from "./region_schedule.js";

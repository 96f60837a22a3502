// The page's side of `worker.js`: a promise per request.

const HERE = new URL(".", import.meta.url);

/** The networks, in a worker of their own. */
export class Estimator {
  constructor() {
    // A worker of a blob lives under this page's Content-Security-Policy; one of a file would have that of the server's
    // answer, which may have none.
    const script = `import ${JSON.stringify(new URL("worker.js", HERE).href)};`;
    const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
    this.worker = new Worker(url, { type: "module" });
    this.waiting = new Map();
    this.count = 0;
    this.failure = null;
    this.worker.onmessage = ({ data: { id, answer, error } }) => {
      const { resolve, reject } = this.waiting.get(id);
      this.waiting.delete(id);
      if (error === undefined) resolve(answer);
      else reject(Object.assign(new Error(error.message), { name: error.name }));
    };
    this.worker.onerror = (event) => {
      this.failure = new Error(`the worker failed: ${event.message ?? "its script could not be loaded"}`);
      for (const { reject } of this.waiting.values()) reject(this.failure);
      this.waiting.clear();
    };
  }

  /** @param {number} threads of the networks */
  begin(threads) {
    return this.ask("begin", { ortUrl: new URL("../ort/", HERE).href, threads });
  }

  /** @param {ArrayBuffer} file */
  loadPose(file) {
    return this.ask("loadPose", { file });
  }

  /** @param {ArrayBuffer} file */
  loadDetector(file) {
    return this.ask("loadDetector", { file });
  }

  /**
   * The poses of a picture, which comes back with them.
   * @param {ImageBitmap} bitmap
   * @param {number[][]} boxes that the user drew; none: the detector finds the faces
   * @param {boolean} video it is one of a sequence
   */
  estimate(bitmap, boxes, video) {
    return this.ask("estimate", { bitmap, boxes, video }, [bitmap]);
  }

  ask(kind, request, transfer = []) {
    if (this.failure !== null) return Promise.reject(this.failure);
    const id = this.count++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, kind, ...request }, transfer);
    });
  }
}

// Boxes that the user draws on the picture with a finger or the mouse.

const LEAST = 12; // pixels of the picture; below, it was a click

/** Draws boxes on a canvas, in pixels of the picture. */
export class BoxTool {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {() => void} onChange called while a box is drawn, and when it is there
   */
  constructor(canvas, onChange) {
    this.canvas = canvas;
    this.onChange = onChange;
    /** @type {number[][]} */
    this.boxes = [];
    this.start = null;
    /** @type {number[] | null} */
    this.current = null; // the one being drawn
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.grow(event));
    canvas.addEventListener("pointerup", (event) => this.end(event));
    canvas.addEventListener("pointercancel", () => this.drop());
  }

  /** @param {boolean} allowed a box may be drawn */
  set enabled(allowed) {
    this.canvas.dataset.draws = String(allowed);
  }

  clear() {
    this.boxes = [];
    this.drop();
  }

  begin(event) {
    if (this.canvas.dataset.draws !== "true") return;
    this.canvas.setPointerCapture(event.pointerId);
    this.start = this.place(event);
  }

  grow(event) {
    if (this.start === null) return;
    const [x, y] = this.place(event);
    const [fromX, fromY] = this.start;
    this.current = [Math.min(x, fromX), Math.min(y, fromY), Math.max(x, fromX), Math.max(y, fromY)];
    this.onChange();
  }

  end(event) {
    this.grow(event);
    const box = this.current;
    if (box !== null && Math.min(box[2] - box[0], box[3] - box[1]) >= LEAST) this.boxes.push(box);
    this.drop();
  }

  drop() {
    this.start = this.current = null;
    this.onChange();
  }

  place({ clientX, clientY }) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    return [((clientX - left) / width) * this.canvas.width, ((clientY - top) / height) * this.canvas.height];
  }
}

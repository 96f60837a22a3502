// Errors whose messages are meant for the user: what was wrong, what was got, what to do.

export class HpeEdgeError extends Error {
  get name() {
    return this.constructor.name;
  }
}

export class InputError extends HpeEdgeError {} // a frame or a box
export class ModelError extends HpeEdgeError {} // a model's file
export class BackendError extends HpeEdgeError {} // ONNX Runtime Web, or the browser
export class NoSpecError extends ModelError {} // a file that may be another kind of model

// Pictures from files and from the camera, and their faults in words.

const MOST_BYTES = 100e6;
const MOST_PIXELS = 40e6; // 160 MB as RGBA, twice; phones have no more to spare

/** An error for the user. */
export class SourceError extends Error {}

/**
 * @param {Blob & {name?: string}} file
 * @returns {Promise<ImageBitmap>}
 */
export async function openPicture(file) {
  const name = file.name ?? "the picture";
  if (file.size > MOST_BYTES) {
    throw new SourceError(
      `${name} has ${Math.round(file.size / 1e6)} MB; pictures of up to ${MOST_BYTES / 1e6} MB are opened here.`,
    );
  }
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new SourceError(
      `${name} cannot be read as a picture: it is broken, too large, or of a format that this browser lacks. Try a JPEG or a PNG.`,
    );
  }
  const { width, height } = bitmap;
  if (width * height > MOST_PIXELS) {
    bitmap.close();
    throw new SourceError(
      `${name} has ${width} × ${height} pixels; up to ${MOST_PIXELS / 1e6} million are opened here. Shrink it first.`,
    );
  }
  return bitmap;
}

const CAMERA_FAULTS = {
  NotAllowedError:
    "The camera was refused. Allow it for this page, in the browser’s address bar, and press Camera again.",
  NotFoundError: "This machine has no camera that the browser sees. Drop a picture instead.",
  NotReadableError: "The camera is in use by another program, or failed. Close that program and press Camera again.",
  OverconstrainedError: "The camera has no format that this page can use. Drop a picture instead.",
};

/** The camera's picture, as it comes. */
export class Camera {
  /** @param {() => void} onEnd called when the camera goes away by itself */
  static async open(onEnd) {
    if (navigator.mediaDevices === undefined) {
      throw new SourceError("The camera works only in pages from https or localhost.");
    }
    try {
      const video = { width: { ideal: 1280 }, height: { ideal: 720 }, facingMode: "user" };
      return new Camera(await navigator.mediaDevices.getUserMedia({ video, audio: false }), onEnd);
    } catch (error) {
      throw new SourceError(CAMERA_FAULTS[error.name] ?? `The camera does not start: ${error.message}`);
    }
  }

  constructor(stream, onEnd) {
    this.stream = stream;
    this.video = document.createElement("video");
    this.video.muted = true;
    this.video.playsInline = true;
    this.video.srcObject = stream;
    stream.getVideoTracks()[0].addEventListener("ended", onEnd);
  }

  /** @returns {Promise<ImageBitmap>} what the camera sees now */
  async picture() {
    if (this.video.paused) await this.video.play();
    return createImageBitmap(this.video);
  }

  close() {
    for (const track of this.stream.getTracks()) track.stop();
    this.video.srcObject = null;
  }
}

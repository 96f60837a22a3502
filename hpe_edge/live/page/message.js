// Content of a message: float32 latency of an earlier message, uint32 length of the JSON, JSON, JPEG; see app.py and
// message.py.

export const NO_ID = -1;

export async function read(buffer) {
  const view = new DataView(buffer);
  const length = view.getUint32(4, true);
  const facts = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const picture = await createImageBitmap(new Blob([new Uint8Array(buffer, 8 + length)], { type: "image/jpeg" }));
  facts.faces.forEach((face, place) => {
    // A face without an identity is named by its position in the list, which differs between frames.
    face.index = face.id === NO_ID ? place : face.id;
    face.key = face.id === NO_ID ? `at ${place}` : `id ${face.id}`;
    face.label = face.id === NO_ID ? letters(place) : `#${face.id}`;
  });
  return { ...facts, picture, latency_ms: view.getFloat32(0, true), arrived_ms: performance.now() };
}

// A, B ... Z, A1 ...
function letters(place) {
  return String.fromCharCode(65 + (place % 26)) + (place < 26 ? "" : Math.floor(place / 26));
}

// Angles and rotation of a face as the page shows them; null where they are not known.
export function posture(face, relative) {
  const [angles_deg, rotation] = relative
    ? [face.relative_deg, face.relative_rotation]
    : [face.angles_deg, face.rotation];
  const known = angles_deg !== null && !angles_deg.includes(null) && !rotation.includes(null);
  return { angles_deg: angles_deg ?? [null, null, null], rotation: known ? rotation : null };
}

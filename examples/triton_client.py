"""Track the faces of a camera or video on a Triton server and print their poses.

Usage: python examples/triton_client.py SOURCE [HOST:PORT]

On the server: hpe-edge export triton -o repository; tritonserver --model-repository=repository
"""

import secrets
import sys

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

import hpe_edge


def tensor(name: str, array: np.ndarray) -> triton.InferInput:
    """Return one input: a batch of one."""
    given = triton.InferInput(name, (1, *array.shape), np_to_triton_dtype(array.dtype))
    given.set_data_from_numpy(np.ascontiguousarray(array)[None])
    return given


def main(source: str, address: str = "localhost:8001") -> None:
    client = triton.InferenceServerClient(address)
    detector = hpe_edge.open_detector("face-detector").for_video()
    camera = secrets.randbelow(2**63) + 1  # 0 is no sequence
    known, frame = False, None
    try:
        for frame in hpe_edge.open_source(source):
            faces = detector(frame.image)
            inputs = [tensor("FRAME", frame.image), tensor("TIME", np.array([frame.time_s]))]
            inputs += [tensor("BOXES", faces.boxes), tensor("SCORES", faces.scores)]
            try:
                found = client.infer("head_pose_stream", inputs, sequence_id=camera, sequence_start=not known)
            except InferenceServerException as error:
                if error.status() != "StatusCode.UNAVAILABLE":  # else overloaded: leave this frame out
                    raise
                print(f"{frame.time_s:.2f} s: {error.message()}", file=sys.stderr)
                continue
            known = True
            for face, angles in zip(found.as_numpy("IDS")[0], found.as_numpy("ANGLES")[0], strict=True):
                print(f"{frame.time_s:.2f} s, face {face}: yaw, pitch, roll {angles.round(1)}")
    finally:
        if known and frame is not None:
            last = [tensor("FRAME", frame.image), tensor("TIME", np.array([frame.time_s]))]
            client.infer("head_pose_stream", last, sequence_id=camera, sequence_end=True)  # frees its place


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])

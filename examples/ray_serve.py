"""Poses of pictures over HTTP with Ray Serve: cd examples; serve run ray_serve:app

Then: curl --data-binary @photo.jpg http://127.0.0.1:8000
"""

import cv2
import numpy as np
from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse

from hpe_edge import PoseEngine


@serve.deployment(num_replicas=2, ray_actor_options={"num_cpus": 1})
class PosesOverHttp:
    def __init__(self) -> None:
        self.engine = PoseEngine(threads=1)

    async def __call__(self, request: Request) -> JSONResponse:
        body = await request.body()
        picture = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR) if body else None
        if picture is None:
            return JSONResponse({"error": "the body is no picture; send the bytes of a JPEG or PNG"}, 400)
        return JSONResponse(self.engine(picture).to_rows())


app = PosesOverHttp.bind()

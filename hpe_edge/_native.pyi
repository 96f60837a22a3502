from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

MAX_BINS: int
ROI_BINS: int
SECOND_PASS_ROLL_DEG: float
STRETCH: Mapping[str, float]
EMULATED: str
DRIVER_CALLS: tuple[str, ...]
BOX_FACE: np.dtype[np.void]
WARP_FACE: np.dtype[np.void]

class PixelFormat(Enum):
    COLOR = 0
    GRAY8 = 1
    NV12 = 2
    COLOR4 = 3

class YuvRule(Enum):
    BT601 = 0
    BT601_FULL = 1
    BT709 = 2
    BT709_FULL = 3

class OutputType(Enum):
    FLOAT32 = 0
    FLOAT16 = 1
    UINT8 = 2
    FLOAT16_HWC8 = 3

class DecodeKind(Enum):
    BINS = 0
    ANGLES = 1
    ROT6D = 2
    MATRIX = 3
    QUATERNION = 4
    BINS_ZXY = 5

class Square(Enum):
    EXTEND = 0
    SHRINK = 1
    NONE = 2

class CropNormalize:
    def __init__(
        self,
        *,
        margins: Sequence[float],
        square: Square,
        clip: bool,
        antialias: bool,
        fill: Sequence[float],
        size: int,
        swap_colors: bool,
        gain: Sequence[float],
        bias: Sequence[float],
        format: PixelFormat,
        yuv: YuvRule,
        output: OutputType,
        isa: str,
    ) -> None: ...
    def boxes(
        self,
        frame: NDArray[np.uint8],
        chroma: NDArray[np.uint8] | None,
        boxes: NDArray[np.float32],
        turns_deg: NDArray[np.float32] | None,
        out: NDArray[Any],
    ) -> None: ...
    def warp(
        self,
        frame: NDArray[np.uint8],
        chroma: NDArray[np.uint8] | None,
        homographies: NDArray[np.float64],
        out: NDArray[Any],
    ) -> None: ...
    def maps(
        self,
        boxes: NDArray[np.float32],
        turns_deg: NDArray[np.float32] | None,
        width: int,
        height: int,
        out: NDArray[np.float64],
    ) -> None: ...

class ContrastStretch:
    def __init__(
        self,
        *,
        margins: Sequence[float],
        square: Square,
        clip: bool,
        antialias: bool,
        fill: Sequence[float],
        size: int,
        gain: Sequence[float],
        bias: Sequence[float],
        output: OutputType,
    ) -> None: ...
    def run(self, crops: NDArray[Any], stretched: NDArray[np.bool_]) -> None: ...

class Decode:
    def __init__(
        self,
        *,
        kind: DecodeKind,
        places: Sequence[tuple[int, int]],
        grids: Sequence[tuple[float, float, int, bool, float]],
        factors: Sequence[float],
        isa: str,
    ) -> None: ...
    def run(
        self,
        outputs: Sequence[NDArray[np.float32]],
        angles: NDArray[np.float32],
        sigma: NDArray[np.float32],
        rotation: NDArray[np.float32],
    ) -> None: ...

class HeatmapPeaks:
    def __init__(self, *, count: int, side: int, logarithm: bool, isa: str) -> None: ...
    def run(self, maps: NDArray[np.float32], out: NDArray[np.float32]) -> None: ...
    def launch(self, maps: int, row_stride: int, faces: int, out: int, stream: int) -> None: ...

class CropLaunch:
    def __init__(
        self,
        *,
        margins: Sequence[float],
        square: Square,
        clip: bool,
        antialias: bool,
        fill: Sequence[float],
        size: int,
        gain: Sequence[float],
        bias: Sequence[float],
        output: OutputType,
        emulated: bool,
    ) -> None: ...
    def write_boxes(
        self,
        frame: NDArray[np.void],
        boxes: NDArray[np.float32],
        turns: NDArray[np.float32] | None,
        faces: NDArray[np.void],
    ) -> None: ...
    def write_views(
        self, frame: NDArray[np.void], homographies: NDArray[np.float64], faces: NDArray[np.void]
    ) -> None: ...
    def boxes(self, faces: int, count: int, out: int, stream: int) -> None: ...
    def warp(self, faces: int, count: int, out: int, stream: int) -> None: ...
    def stretch(self, crops: int, count: int, stretched: int, stream: int) -> None: ...

class DecodeLaunch:
    def __init__(
        self,
        *,
        kind: DecodeKind,
        grids: Sequence[tuple[float, float, int, bool, float]],
        factors: Sequence[float],
        emulated: bool,
    ) -> None: ...
    def run(
        self, heads: Sequence[tuple[int, int]], count: int, angles: int, sigma: int, rotation: int, stream: int
    ) -> None: ...

class DriverError(RuntimeError):
    args: tuple[str, int]

class DriverCalls:
    def __init__(self, addresses: Mapping[str, int]) -> None: ...
    def launch(self, context: int, graph: int, stream: int) -> None: ...
    def owns(self, address: int, gpu: int, context: int) -> bool: ...

# data, chroma, row_stride_bytes, chroma_row_stride_bytes, width, height, format, swap_colors, yuv
_FrameFields = tuple[int, int, int, int, int, int, int, int, int]
# frame, boxes or homographies, turns_deg, angles, sigma, rotation, stretched
_Part = tuple[
    _FrameFields,
    NDArray[Any],
    NDArray[np.float32] | None,
    NDArray[np.float32] | None,
    NDArray[np.float32] | None,
    NDArray[np.float32] | None,
    NDArray[np.bool_] | None,
]

class BatchRun:
    def __init__(
        self,
        *,
        calls: DriverCalls,
        crop: CropLaunch,
        context: int,
        stream: int,
        event: int,
        most: int,
        box_faces: int,
        warp_faces: int,
        poses: int,
    ) -> None: ...
    def load(
        self, size: int, warped: bool, parts: list[_Part], copies: list[tuple[int, int, int]], writers: list[int]
    ) -> None: ...
    def run(
        self,
        size: int,
        warped: bool,
        parts: list[_Part],
        copies: list[tuple[int, int, int]],
        writers: list[int],
        graph: int,
    ) -> None: ...
    def read(self, size: int, warped: bool, parts: list[_Part]) -> None: ...

class NativeNetwork:
    def __init__(self, *, file: Buffer, isa: str) -> None: ...
    @property
    def spec(self) -> bytes: ...
    @property
    def answers(self) -> bytes: ...
    @property
    def isa(self) -> str: ...
    @property
    def int8(self) -> bool: ...
    @property
    def size(self) -> int: ...
    @property
    def multiple(self) -> int: ...
    @property
    def columns(self) -> list[int]: ...
    def output_shapes(self, height: int, width: int) -> list[tuple[int, int]]: ...

class NativeRun:
    def __init__(self, *, network: NativeNetwork, threads: int) -> None: ...
    def run(self, pictures: NDArray[Any], outputs: Sequence[NDArray[np.float32]]) -> None: ...

class BoxSigns:
    def __init__(self, *, fraction: float, flattest: float, highest: float, tallest: float) -> None: ...
    def any(self, boxes: NDArray[np.float32], width: int, height: int, fitted: bool) -> bool: ...

class CudaDevice:
    @property
    def name(self) -> str: ...
    @property
    def major(self) -> int: ...
    @property
    def minor(self) -> int: ...
    @property
    def integrated(self) -> bool: ...

class CudaProbe:
    @property
    def runtime_version(self) -> int: ...
    @property
    def devices(self) -> list[CudaDevice]: ...
    @property
    def reason(self) -> str: ...

def yuv_matrix(rule: YuvRule) -> tuple[float, float, float, float, float, float]: ...
def roi_align(
    maps: Sequence[tuple[NDArray[np.float32], float]],
    levels: NDArray[np.int32],
    boxes: NDArray[np.float32],
    out: NDArray[np.float32],
    isa: str,
) -> None: ...
def suppress(boxes: NDArray[np.float32], limit: float, kept: NDArray[np.int32], isa: str) -> int: ...
def rolls_from_keypoints(keypoints: NDArray[np.float32], rolls_deg: NDArray[np.float32]) -> None: ...
def undo_turns(
    turns_deg: NDArray[np.float32], angles_deg: NDArray[np.float32], rotations: NDArray[np.float32]
) -> None: ...
def second_pass(
    turns_deg: NDArray[np.float32] | None,
    rotations: NDArray[np.float32],
    rows: NDArray[np.int32],
    rolls_deg: NDArray[np.float32],
) -> int: ...
def first_bad_box(boxes: NDArray[np.float32], limit: float) -> int: ...
def probe_cuda() -> CudaProbe: ...
def isa_names() -> list[str]: ...
def network_isa_names() -> list[str]: ...

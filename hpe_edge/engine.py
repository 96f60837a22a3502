"""PoseEngine: one call from frame and boxes to poses."""

from __future__ import annotations

import math
import os
import shlex
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpe_edge.backends.base import Backend, Context
from hpe_edge.backends.options import BackendName, CropDevice, Precision, check_choice, without_onnx_runtime
from hpe_edge.backends.tensorrt.plan_file import SUFFIXES, library_of
from hpe_edge.boxes.box_checks import BoxChecks
from hpe_edge.boxes.box_fit import BoxesFrom
from hpe_edge.camera import Camera
from hpe_edge.cuda.nvtx_ranges import profiler_ranges
from hpe_edge.errors import BackendError, InputError, ModelError, ModelNotFoundError
from hpe_edge.faces.face_finder import FaceFinder
from hpe_edge.faces.given_faces import Faces, given_faces
from hpe_edge.files.other_file import refuse_other_file
from hpe_edge.models import find_model
from hpe_edge.ops.crop import CropNormalize
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.ops.frames import AnyFrame, FrameColor
from hpe_edge.ops.gpu_frames import blank_frame, find_on_gpu
from hpe_edge.ops.native import native
from hpe_edge.ops.request import Request
from hpe_edge.ops.stretch import ContrastStretch
from hpe_edge.poses import Poses
from hpe_edge.spec import Crop, ModelSpec, Upright
from hpe_edge.upright.search import ASK_AGAIN_SIGMA_DEG, OTHER_LOOKS, Answers, best_answers, turns_of_looks
from hpe_edge.util.forks import never_free, tell_of_forks

if TYPE_CHECKING:
    from hpe_edge.cuda.device import Device
    from hpe_edge.faces.detector import Detector

Timer = Callable[[str], AbstractContextManager[object]]

_Upright = Literal["model", "keypoints", "second-pass"]
_Part = tuple[Request, Poses]  # some faces of a frame, and the arrays for their poses

_UNTIMED = nullcontext()
_IR = ".xml"  # of OpenVINO
_HPE = ".hpe"  # of the native backend
_WARMUP_ROUNDS = 3  # the fastest counts; the first may still allocate


class PoseEngine:
    """A head-pose model, ready to run.

    >>> engine = PoseEngine()
    >>> poses = engine(frame)  # finds the faces
    >>> poses = engine(frame, [[120, 80, 260, 250]], boxes_from="retinaface")

    An engine made before a fork loads its model again at its first call in the child, on the CPU; one on a GPU raises
    BackendError there. It pickles as its arguments.

    Calls are stateless and thread-safe. After the first call with a given number of faces the engine reuses its
    buffers. Device, backend and precision are never switched silently: a missing one raises.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        device: str | None = None,
        backend: BackendName | None = None,
        crop: Crop | None = None,
        threads: int | None = None,
        crop_on: CropDevice | None = None,
        precision: Precision | None = None,
        detector: Detector | str | os.PathLike[str] | None = None,
        max_sigma: float | None = None,
        upright: Upright | Literal["model"] | None = "model",
    ) -> None:
        """Load a model.

        Args:
            model: an ONNX file of ``hpe-edge export onnx``, the .xml of an OpenVINO IR model that it adopted, a .hpe
                file of ``hpe-edge export native``, or a TensorRT or TensorRT-RTX engine of ``hpe-edge export trt``.
                None: the embedded model, a small network; its card is ``hpe_edge/models/README.md``. Unless a backend,
                a GPU or a precision is named, native code runs it on a CPU with AVX-512, and wherever ONNX Runtime is
                not installed; on others ONNX Runtime is faster. ``"student-v2-int8"``: the same in INT8, native code.
            device: ``"cpu"``, ``"cuda"`` or ``"cuda:INDEX"``; for OpenVINO one of its own, in any case, such as
                ``"gpu"``, ``"gpu.1"`` or ``"npu"``. None: the first GPU for TensorRT, else the CPU.
            backend: for an ONNX file ``"onnxruntime"``, ``"openvino"``, ``"tensorrt"``, which builds an engine the
                first time (minutes), verifies its angles and caches it in the user's cache folder, or
                ``"onnxruntime-tensorrt"``, where ONNX Runtime does so without verification; for an engine
                ``"tensorrt"`` or ``"tensorrt-rtx"``; for a .hpe file ``"native"``. None: by the file's extension.
            crop: replaces the model's own crop around a box. The best margins also depend on how tightly the detector's
                boxes fit.
            threads: CPU threads of one call; None leaves it to the backend (all cores). TensorRT engines use none.
            crop_on: device that crops the faces if the network runs on a GPU. ``"cpu"``: only the crops are copied to
                the GPU. ``"cuda"``: host frames are copied to the GPU first, which pays for many faces per frame. None:
                on the GPU if the frame is in its memory, which on a Jetson includes :meth:`frame_buffer`, else on the
                CPU. A build without CUDA (see ``hpe-edge doctor``) then copies GPU frames to the host.
            precision: floating-point precision of OpenVINO: ``"fp32"`` (the default), ``"bf16"`` or ``"fp16"``, where
                the device supports it; or of the TensorRT engine of an ONNX file in FP32: ``"fp32"`` (the default) or
                ``"fp16"``. Else the file defines the precision, see ``hpe-edge export fp16``. INT8 always comes from
                the file.
            detector: finds the faces of calls without boxes: a detector, or what :func:`hpe_edge.open_detector` takes.
                It is opened at the first such call. None: the embedded face detector.
            max_sigma: root mean square of the three angles' sigma, in degrees, beyond which a pose is
                :attr:`~hpe_edge.Poses.doubtful`. None: the limit in the model's spec; ``math.inf``: no limit.
            upright: turns the crops so that faces stand upright in them; the poses are turned back. ``"keypoints"``: by
                the faces' key points; a face without them is not turned. ``"second-pass"``: likewise, and a face that
                by the first answer is still rolled by more than 15 degrees in its crop is estimated again, turned by
                that roll; if sigma is calibrated, a face with a large one is estimated in turns all around, and a
                surer answer is taken. None: no crop is turned. ``"model"``: as the model's spec says.

        Raises:
            ModelNotFoundError: no such file.
            ModelError: the file is not a model, has no spec or a newer one, or spec and graph disagree.
            BackendError: the device, backend or precision is not available; the message names what to install.
            InputError: an invalid argument, or arguments that exclude each other.
            OutputError: the cache folder of a TensorRT engine cannot be written to.
            GateFailed: the angles of a TensorRT engine that was built differ from the file's; it is an HpeEdgeError.
        """
        if crop is not None and not isinstance(crop, Crop):
            raise InputError(f"crop must be a hpe_edge.Crop, got {type(crop).__name__}")
        check_choice("crop_on", crop_on, CropDevice)
        on_cpu = device in (None, "cpu") and precision is None
        path = _model_path(model, native=on_cpu and (backend == "native" or (backend is None and _native_keeps_up())))
        self._arguments: dict[str, Any] | None = {
            "model": model,
            "device": device,
            "backend": backend,
            "crop": crop,
            "threads": threads,
            "crop_on": crop_on,
            "precision": precision,
            "detector": detector,
            "max_sigma": max_sigma,
            "upright": upright,
        }
        self._load_again: Callable[[], Backend] | None = partial(_load, path, device, backend, threads, precision)
        loaded = self._load_again()
        self._set_up(loaded, crop, crop_on, FaceFinder(detector, threads), max_sigma, upright)

    @classmethod
    def of_backend(cls, backend: Backend) -> PoseEngine:
        """Make an engine of a loaded model, such as one that a server runs, with the defaults of :class:`PoseEngine`.

        Args:
            backend: closed with the engine.
        """
        engine = cls.__new__(cls)
        engine._arguments, engine._load_again = None, None
        engine._set_up(backend, None, None, FaceFinder(None, None), None, "model")
        return engine

    def _set_up(
        self,
        backend: Backend,
        crop: Crop | None,
        crop_on: CropDevice | None,
        finder: FaceFinder,
        max_sigma: float | None,
        upright: Upright | Literal["model"] | None,
    ) -> None:
        self._backend = backend
        self.spec: ModelSpec = backend.spec
        self.crop: Crop = crop or self.spec.crop
        self.device: str = backend.device
        self._batch = backend.max_batch  # larger calls are split
        self._crop = CropNormalize(self.crop, self.spec.input, channels_last=backend.channels_last)
        self._stretch = ContrastStretch(self.crop, self.spec.input, channels_last=backend.channels_last)
        self._crop_on = crop_on
        self._gpu = _cropping_gpu(backend, crop_on)
        self._ranges = None if backend.gpu is None else profiler_ranges()
        self.max_sigma = _limit_deg(self.spec, max_sigma)
        if upright is not None:
            check_choice("upright", upright, _Upright)
        self.upright: Upright | None = self.spec.upright if upright == "model" else upright
        self._finder = finder
        self._check_boxes = BoxChecks()
        self._decode = DecodeHeads(self.spec)
        self._idle: deque[Context] = deque()
        self._turn = threading.Condition()  # guards what follows
        self._running = 0
        self._closed = False
        self._forked = False
        tell_of_forks(self)

    def __call__(
        self,
        frame: AnyFrame,
        boxes: Faces | None = None,
        *,
        boxes_from: BoxesFrom | None = None,
        keypoints: ArrayLike | None = None,
        color: FrameColor = "BGR",
        camera: Camera | None = None,
        timer: Timer | None = None,
    ) -> Poses:
        """Estimate the poses of all faces of a frame.

        Without a camera, rotations are relative to the line of sight to the face. With one, each face is cropped from
        the view of a virtual camera that looks straight at it, and the estimate is turned back into the camera's frame;
        see :mod:`hpe_edge.ops.rectify`. ``crop.clip`` is then ignored, sigma stays that of the network's own angles,
        and yaw may exceed 90 degrees.

        A turned crop (see ``upright`` of the class) takes ``crop``'s margins along the turned axes, and ``crop.clip``
        is ignored for it: what lies outside the frame is ``crop.fill``. Its sigma is that of the angles relative to the
        turned axes, which are not those of the poses' angles: a doubt about pitch in the turned crop is one about both
        pitch and yaw in the picture. The boxes of the poses are those given.

        A crop that is dark or flat is stretched to full contrast, see :attr:`~hpe_edge.Poses.stretched`; on a GPU, if
        it has up to 512 pixels a side.

        Args:
            frame: uint8 ``[H, W, 3]``, as OpenCV reads it; also ``[H, W, 4]``, ``[H, W]`` grey or NV12, see
                :func:`hpe_edge.ops.crop.crop_normalize`. An array of PyCUDA, CuPy, torch or Numba on the engine's GPU
                and a DLPack tensor on the CPU are read in place; a frame on another GPU, in another CUDA
                context, or on a GPU while the engine crops on the CPU is copied to the host first.
            boxes: the faces. None: the engine's detector finds them. Else :class:`~hpe_edge.Detections`, those of
                supervision, or ``[N, 4]`` numbers x1 y1 x2 y2 in pixels, x2 and y2 exclusive; may leave the frame.
                N may be 0.
            boxes_from: the detector whose boxes they are, a name in :data:`hpe_edge.boxes.box_fit.FITS`, a file of
                ``hpe-edge fit-boxes``, or a :class:`~hpe_edge.BoxFit`; they are converted. None: they reach from chin
                to eyebrows, as the model expects.
            keypoints: ``[N, 5, 2]`` numbers x y in pixels of the frame, in the order of :class:`~hpe_edge.Detections`;
                NaN for a face whose points are unknown. For upright crops alone. None: those of the detections.
            color: pixel format of the frame, see :data:`hpe_edge.ops.frames.FrameColor`.
            camera: the frame's, for rectified estimates.
            timer: called with ``"crop"``, ``"infer"`` and ``"decode"`` for each batch; the stage then runs within the
                context manager that it returns. For faces cropped on a GPU all is one stage, ``"infer"``. On a GPU the
                stages also are NVTX ranges, while a profiler is attached.

        Returns:
            Poses of the N faces, in the order of the boxes, with boxes, scores and ids where they are known.

        Warns:
            BoxesWarning: the boxes look like x y width height, like unconverted ones of a detector, or lie wholly
                outside the frame. Each is said once per engine.

        Raises:
            InputError: an invalid frame, box or camera; boxes that are fractions of the frame; with a camera, a box
                whose crop reaches 90 degrees from its axis.
            BackendError: the backend failed, or the engine is closed.
        """
        request = self.request(frame, boxes, boxes_from=boxes_from, keypoints=keypoints, color=color, camera=camera)
        return self.many([request], timer=timer)[0]

    def request(
        self,
        frame: AnyFrame,
        boxes: Faces | None = None,
        *,
        boxes_from: BoxesFrom | None = None,
        keypoints: ArrayLike | None = None,
        color: FrameColor = "BGR",
        camera: Camera | None = None,
    ) -> Request:
        """Check the arguments of a call, to run it later with others by :meth:`many`; without boxes, find the faces.

        Args:
            frame, boxes, boxes_from, keypoints, color, camera: see :meth:`__call__`. The frame must not be overwritten
                before the poses are returned.

        Raises:
            InputError: see :meth:`__call__`.
            BackendError: the frame is on a GPU and cannot be fetched.
        """
        on_gpu = None
        if self._gpu is not None:
            on_gpu = find_on_gpu(frame, self._gpu, color)
        if boxes is None:
            if boxes_from is not None:
                raise InputError("boxes_from= says whose the boxes are, but there are none; leave it out or pass boxes")
            if keypoints is not None:
                raise InputError("keypoints= are those of boxes, but there are none; leave it out or pass boxes")
            boxes = self._finder(frame, color)
        faces = given_faces(boxes, boxes_from, keypoints)
        request = Request(
            self._crop,
            frame,
            faces.boxes,
            color,
            camera,
            on_gpu,
            scores=faces.scores,
            ids=faces.ids,
            upright=self.upright,
            keypoints=faces.keypoints,
            rolls=faces.rolls,
        )
        if faces.elsewhere is not None:
            self._check_boxes(faces.elsewhere, *request.size_wh, fitted=boxes_from is not None)
        return request

    def many(self, requests: Sequence[Request], *, timer: Timer | None = None) -> list[Poses]:
        """Estimate the poses of several frames in one call; their faces share batches.

        Args:
            requests: made by this engine's :meth:`request`; any number, with any number of faces.
            timer: see :meth:`__call__`.

        Returns:
            The poses of each request, in their order, as from separate calls. Networks sum in another order in batches
            of another size, so the last digits may differ.

        Raises:
            InputError: not a request of this engine; nothing was run.
            BackendError: the backend failed, or the engine is closed.
        """
        for request in requests:
            if not (isinstance(request, Request) and request.is_for(self._crop)):
                raise InputError("requests must be those that this engine's request() made")
        timed = _untimed if timer is None and self._ranges is None else self._timed(timer)
        found = [
            self._decode.room(
                request.count, boxes=request.boxes, scores=request.scores, ids=request.ids, max_sigma=self.max_sigma
            )
            for request in requests
        ]
        context = self._borrow()
        try:
            self._run_all(context, list(zip(requests, found, strict=True)), timed)
            if self.upright == "second-pass":
                self._run_again(context, requests, found, timed)
                if self.spec.sigma is not None:
                    self._search_turns(context, requests, found, timed)
        finally:
            self._give_back(context)
        return found

    def _timed(self, timer: Timer | None) -> Timer:
        """Return what times the stages: the caller's timer, a profiler's ranges, both, or nothing."""
        ranges = self._ranges
        if ranges is None or timer is None:
            return timer or ranges or _untimed

        @contextmanager
        def both(stage: str) -> Iterator[None]:
            with ranges(stage), timer(stage):
                yield

        return both

    def _run_all(self, context: Context, parts: list[_Part], timed: Timer) -> None:
        if len(parts) == 1 and 0 < parts[0][0].count <= self._batch:  # most calls: nothing to split or to join
            (self._run_on_gpu if self._crops_on_gpu(parts[0][0]) else self._run)(context, parts, timed)
            return
        for on_gpu, alike in self._by_crop(parts):
            for batch in _batches(alike, self._batch):
                (self._run_on_gpu if on_gpu else self._run)(context, batch, timed)

    def _run_again(self, context: Context, requests: Sequence[Request], found: list[Poses], timed: Timer) -> None:
        """Estimate rolled faces once more, turned by the roll of their first answers."""
        again: list[_Part] = []
        taken: list[tuple[Poses, NDArray[np.int32]]] = []
        for request, poses in zip(requests, found, strict=True):
            rows, rolls = request.second_pass(poses)
            if len(rows):
                again.append((request.turned(rows, rolls), self._decode.room(len(rows))))
                taken.append((poses, rows))
        self._run_all(context, again, timed)
        for (poses, rows), (_, second) in zip(taken, again, strict=True):
            poses.take(rows, second)

    def _search_turns(self, context: Context, requests: Sequence[Request], found: list[Poses], timed: Timer) -> None:
        """Ask doubtful faces again in crops that are turned all around, and take a surer answer."""
        with np.errstate(invalid="ignore"):
            rows = [np.flatnonzero(poses.sigma_rms > ASK_AGAIN_SIGMA_DEG) for poses in found]
        if not any(map(len, rows)):
            return
        looks: list[Request] = []
        for request, some in zip(requests, rows, strict=True):
            turns = np.zeros(request.count, np.float32) if request.turns is None else request.turns
            looks.append(request.turned(np.repeat(some, OTHER_LOOKS), turns_of_looks(turns[some])))
        seen = [self._decode.room(each.count) for each in looks]
        self._run_all(context, [part for part in zip(looks, seen, strict=True) if part[0].count], timed)
        self._run_again(context, looks, seen, timed)
        for poses, some, others in zip(found, rows, seen, strict=True):
            shape = (len(some), OTHER_LOOKS)
            rotations = np.concatenate([poses.rotation[some, None], others.rotation.reshape(*shape, 3, 3)], axis=1)
            sigmas = np.concatenate([poses.sigma_rms[some, None], others.sigma_rms.reshape(shape)], axis=1)
            best = best_answers(Answers(rotations, sigmas))
            taken = np.flatnonzero(best)
            poses.take(some[taken], others[taken * OTHER_LOOKS + best[taken] - 1])

    def _run(self, context: Context, batch: list[_Part], timed: Timer) -> None:
        count = sum([request.count for request, _ in batch])
        with timed("crop"):
            faces, start = context.input(count), 0
            for request, poses in batch:
                crops = faces[start : start + request.count]
                request.crop_into(crops)
                self._stretch(crops, poses.stretched)
                start += request.count
        with timed("infer"):
            outputs = context.run(count)
        with timed("decode"):
            start = 0
            for request, poses in batch:
                self._decode([rows[start : start + request.count] for rows in outputs], poses)
                request.finish(poses)
                start += request.count

    def _run_on_gpu(self, context: Context, batch: list[_Part], timed: Timer) -> None:
        requests, found = [request for request, _ in batch], [poses for _, poses in batch]
        with timed("infer"):
            context.estimate(self.crop, requests, found, self._decode)
            for request, poses in batch:
                request.finish(poses)

    def _by_crop(self, parts: list[_Part]) -> Iterator[tuple[bool, list[_Part]]]:
        """Split the frames into groups that can share a batch; True for those cropped on the GPU."""
        if self._gpu is None:
            yield False, parts
            return
        on_gpu = [part for part in parts if self._crops_on_gpu(part[0])]
        for warped in (False, True):
            yield True, [part for part in on_gpu if part[0].warped == warped]
        yield False, [part for part in parts if part not in on_gpu]

    def _crops_on_gpu(self, request: Request) -> bool:
        return self._gpu is not None and (request.on_gpu is not None or self._crop_on == "cuda")

    def _borrow(self) -> Context:
        with self._turn:
            if self._closed:
                raise BackendError("the engine is closed; make a new PoseEngine")
            if self._forked:
                self._reload()
            self._running += 1
            if self._idle:
                return self._idle.pop()  # the most recently used one: its buffers are in the cache
        try:
            return self._backend.context()
        except BaseException:
            self._give_back(None)
            raise

    def after_fork(self) -> None:
        """Leave the parent's model alone; called by :mod:`hpe_edge.util.forks` in a forked child."""
        self._backend.abandon()
        for each in (self._backend, *self._idle):
            never_free(each)
        self._turn = threading.Condition()  # another thread may have held it
        self._idle, self._running = deque(), 0
        self._forked = True
        self._finder.after_fork()

    def _reload(self) -> None:
        """Load the model in this process, which was forked from the one that made the engine."""
        if self._load_again is None or self._backend.gpu is not None or self.device != "cpu":
            raise BackendError(
                f"this engine on {self.device} was made before the process was forked, so it cannot be used in the "
                "child; make one in each process (multiprocessing: start method spawn; gunicorn: without --preload)"
            )
        self._backend = self._load_again()
        self._forked = False

    def __reduce__(self) -> tuple[Callable[..., PoseEngine], tuple[type[PoseEngine], dict[str, Any]]]:
        """Pickle as the arguments, so that each process loads the model itself.

        Raises:
            BackendError: the engine was made of a loaded backend.
        """
        if self._arguments is None:
            raise BackendError("an engine of a loaded backend cannot be pickled; make one in each process")
        return _made, (type(self), self._arguments)

    def _give_back(self, context: Context | None) -> None:
        with self._turn:
            self._running -= 1
            if context is not None:
                self._idle.append(context)
            if self._closed and self._running == 0:
                self._turn.notify_all()  # close() waits

    @property
    def batch(self) -> int:
        """Largest batch of faces in one run: the model's limit, or the fastest batch that :meth:`warmup` measured."""
        return self._batch

    def warmup(self, faces: int = 1, *, threads: int = 1, on_gpu: bool = False) -> None:
        """Run on ``faces`` empty faces to allocate everything before the first real call.

        Of a TensorRT engine this makes the CUDA graphs of all batch sizes, so that no later call waits for one.

        With several faces, the fastest batch size is measured and used from then on: on a CPU, large batches can be
        slower than small ones, because intermediate tensors do not fit the cache. This takes a few times as long as one
        run on the faces.

        Args:
            faces: number of faces of a call.
            threads: number of calls at the same time; each has buffers of its own.
            on_gpu: frames in the GPU's memory will come, as well as others.

        Raises:
            InputError: ``faces`` or ``threads`` is below 1, or ``on_gpu`` and the engine crops on the CPU.
            BackendError: out of memory, or the backend failed.
        """
        if faces < 1:
            raise InputError(f"warmup needs at least one face, got {faces}")
        if threads < 1:
            raise InputError(f"warmup needs at least one thread, got {threads}")
        frame, boxes = np.zeros((64, 64, 3), np.uint8), [[16, 16, 48, 48]] * faces
        self._batch = self._backend.max_batch
        with ExitStack() as borrowed:
            requests = [self.request(frame, boxes), *(self._requests_on_gpu(boxes, borrowed) if on_gpu else ())]
            contexts = []
            for _ in range(threads):
                contexts.append(self._borrow())
                borrowed.callback(self._give_back, contexts[-1])
            for context in contexts:
                self._run_all(context, [(each, self._decode.room(each.count)) for each in requests], _untimed)
        tried = min(faces, self._batch)
        batches = [2**k for k in range(tried.bit_length()) if 2**k < tried]
        if self._backend.fixed_batch or not batches:
            return
        times_s: dict[int, float] = dict.fromkeys((*batches, self._batch), math.inf)
        for _ in range(_WARMUP_ROUNDS):
            for batch in times_s:
                self._batch = batch
                start_s = time.perf_counter()
                self(frame, boxes)
                times_s[batch] = min(times_s[batch], time.perf_counter() - start_s)
        self._batch = min(times_s, key=times_s.__getitem__)

    def _requests_on_gpu(self, boxes: ArrayLike, borrowed: ExitStack) -> list[Request]:
        """Return requests of a blank frame in the GPU's memory, without a camera and with one."""
        if self._gpu is None:
            raise InputError(
                "warmup(on_gpu=True) is for engines that crop on an NVIDIA GPU; this one crops on the CPU, leave it out"
            )
        frame = borrowed.enter_context(blank_frame(self._gpu, 64, 64))
        return [self.request(frame, boxes, camera=camera) for camera in (None, Camera(64, 64, 32, 32))]

    def frame_buffer(self, height: int, width: int) -> NDArray[np.uint8]:
        """Allocate a frame ``[height, width, 3]`` in page-locked memory, from which a GPU copies at full speed.

        A Jetson's GPU reads it in place, so frames that a camera writes there are never copied. The memory lives as
        long as the array.

        Raises:
            BackendError: the engine runs on the CPU, or memory is exhausted.
        """
        gpu = self._backend.gpu
        if gpu is None:
            raise BackendError(
                f"a frame buffer is for engines on an NVIDIA GPU; this one runs on {self.device}, use np.empty"
            )
        with gpu:
            return gpu.pinned_for_long((height, width, 3), np.uint8)

    def close(self) -> None:
        """Free the model after running calls have ended.

        A later call raises BackendError; closing twice is harmless.
        """
        with self._turn:
            if self._closed:
                return
            self._closed = True
            self._turn.wait_for(lambda: self._running == 0)
            self._idle.clear()
        if not self._forked:
            self._backend.close()

    def __enter__(self) -> PoseEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        size = self.spec.input.size
        return f"PoseEngine({self.spec.architecture}, {size}x{size}, {self._backend.runtime} on {self.device})"


def _made(engine: type[PoseEngine], arguments: dict[str, Any]) -> PoseEngine:
    return engine(**arguments)


def _batches(parts: Sequence[_Part], most: int) -> Iterator[list[_Part]]:
    """Split all faces, across frames, into batches of ``most``, each with the arrays for its poses."""
    batch: list[_Part] = []
    free = most
    for request, poses in parts:
        start, count = 0, request.count
        while count - start > free:  # the rest does not fit
            if free:
                batch.append((request.part(start, start + free), poses.part(start, start + free)))
            yield batch
            start += free
            batch, free = [], most
        if start < count:
            batch.append((request, poses) if start == 0 else (request.part(start, count), poses.part(start, count)))
            free -= count - start
    if batch:
        yield batch


def _limit_deg(spec: ModelSpec, max_sigma: float | None) -> float:
    if max_sigma is None:
        return math.inf if spec.sigma is None or spec.sigma.limit_deg is None else spec.sigma.limit_deg
    if not max_sigma > 0:  # NaN as well
        raise InputError(f"max_sigma must be degrees above 0, or math.inf for no limit, got {max_sigma!r}")
    return float(max_sigma)


def _untimed(stage: str) -> AbstractContextManager[object]:
    return _UNTIMED


def _native_keeps_up() -> bool:
    """Return True where native code in FP32 is as fast as ONNX Runtime (docs/native.md), or that is not installed."""
    return "avx512vnni" in native.network_isa_names() or find_spec("onnxruntime") is None


def _model_path(model: str | os.PathLike[str] | None, *, native: bool) -> Path:
    path = find_model(model, native=native)
    if library_of(path) is None:
        refuse_other_file(path, "model")
    if path.is_dir():
        raise ModelError(f"{path} is a folder; name the model in it")
    if not path.is_file():
        steps = {None: "onnx CHECKPOINT", "tensorrt": "trt MODEL.onnx", "tensorrt-rtx": "trt --rtx MODEL.onnx"}
        step = "native MODEL.onnx" if path.suffix.lower() == _HPE else steps[library_of(path)]
        raise ModelNotFoundError(f"there is no model {path}; make one with hpe-edge export {step} -o {path}")
    if path.suffix.lower() not in (".onnx", _IR, _HPE, *SUFFIXES):
        raise ModelError(
            f"{path} is not an .onnx file; rename it if it is one by its content, or convert a checkpoint: hpe-edge "
            f"export onnx {shlex.quote(str(path))}"
        )
    return path


def _cropping_gpu(backend: Backend, crop_on: CropDevice | None) -> Device | None:
    """Return the GPU that may crop faces; None for the CPU.

    Raises:
        InputError: cropping on the GPU was requested, but the network runs on the CPU.
        BackendError: it was requested, but this build or machine does not support it.
    """
    if crop_on == "cpu" or (backend.gpu is None and crop_on is None):
        return None
    if backend.gpu is None:
        if not backend.device.startswith("cuda"):
            raise InputError("crop_on='cuda' needs the network on an NVIDIA GPU as well: pass device='cuda'")
        raise BackendError(
            "crop_on='cuda' needs cuda-bindings that match the driver; `hpe-edge doctor` shows what is missing"
        )
    probe = native.probe_cuda()
    if probe.devices:
        return backend.gpu
    if crop_on == "cuda":
        raise BackendError(
            f"crop_on='cuda' is not available ({probe.reason}); install hpe_edge from source where nvcc is, or "
            "leave it out"
        )
    return None


def _load(
    path: Path, device: str | None, backend: BackendName | None, threads: int | None, precision: Precision | None
) -> Backend:
    library = library_of(path)
    check_choice("backend", backend, BackendName)
    if backend is not None and backend != library and (library or backend == "tensorrt-rtx"):
        remedy = (
            f"it runs with backend={library!r}" if library else f"build an engine: hpe-edge export trt --rtx {path}"
        )
        raise InputError(f"backend={backend!r} does not run {path}; {remedy}")
    check_choice("precision", precision, Precision)
    if path.suffix.lower() == _IR:
        if backend not in (None, "openvino"):
            raise InputError(f"backend={backend!r} does not run {path}; an OpenVINO IR model runs with 'openvino'")
        backend = "openvino"
    is_native = path.suffix.lower() == _HPE
    if is_native and backend not in (None, "native"):
        raise InputError(f"backend={backend!r} does not run {path}; a .hpe file runs with 'native'")
    if backend == "native" and not is_native:
        raise InputError(f"backend='native' does not run {path}; convert it: hpe-edge export native {path} -o FILE.hpe")
    if backend == "openvino":
        from hpe_edge.backends.openvino.compiled_model import OpenVinoBackend

        return OpenVinoBackend(
            path, device="cpu" if device is None else device, threads=threads, precision=precision or "fp32"
        )
    if backend == "tensorrt" and not library:
        from hpe_edge.backends.tensorrt.engine_cache import open_cached

        return open_cached(path, device="cuda" if device is None else device, precision=precision)
    if precision is not None:
        raise InputError(
            f"precision={precision!r} is for backend='openvino', or 'tensorrt' with an ONNX file; else the file "
            "defines the precision: see hpe-edge export fp16 and int8"
        )
    if is_native:
        from hpe_edge.backends.native.native_backend import NativeBackend

        return NativeBackend(path, device="cpu" if device is None else device, threads=threads)
    if library:
        from hpe_edge.backends.tensorrt.runner import load_engine

        return load_engine(path, device="cuda" if device is None else device)
    try:
        from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
    except ModuleNotFoundError as error:
        raise without_onnx_runtime(path, error) from None

    through_tensorrt = backend == "onnxruntime-tensorrt"
    if device is None:
        device = "cuda" if through_tensorrt else "cpu"
    return OnnxRuntimeBackend(path, device=device, threads=threads, through_tensorrt=through_tensorrt)

"""Files of the page: HTML, JavaScript, ONNX Runtime Web and models, for the documentation or a folder of one's own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from export.browser.runtime import BINARY, LOADER, SCRIPT
from hpe_edge.errors import ModelError
from hpe_edge.models import DEFAULT, FACE_DETECTOR
from hpe_edge.samples import BOXES, PHOTO
from hpe_edge.util.atomic import Pending

INDEX = "page/index.html"

_HERE = Path(__file__).parent


def page_files(runtime: Path | None, model: Path = DEFAULT, detector: Path = FACE_DETECTOR) -> dict[str, Path | str]:
    """Return the page's files by their paths below its folder: where each is, or its text.

    Args:
        runtime: of :func:`export.browser.runtime.find_runtime`. None leaves ONNX Runtime Web out; the page then says
            that it is missing.
        model: the pose model.
        detector: one of ``hpe-edge export detector``.
    """
    files: dict[str, Path | str] = {
        path.relative_to(_HERE).as_posix(): path for part in ("js", "page") for path in sorted((_HERE / part).iterdir())
    }
    if runtime is not None:
        files |= {f"ort/{name}": runtime / name for name in (SCRIPT, LOADER, BINARY)}
    files |= {f"models/{path.name}": path for path in (model, PHOTO, detector)}
    names = {
        "runtime": runtime is not None,
        "pose": model.name,
        "detector": detector.name,
        "sample": PHOTO.name,
        "sample_box": _sample_box(),
    }
    return files | {"models/models.json": json.dumps(names)}


def _sample_box() -> list[float]:
    """The face's box in the sample photo, for a page without a detector."""
    rows = (line.split(",") for line in BOXES.read_text(encoding="utf-8").splitlines())
    return next([float(at) for at in numbers] for name, *numbers in rows if name == PHOTO.name)


def write_page(folder: Path, runtime: Path, model: Path = DEFAULT, detector: Path = FACE_DETECTOR) -> None:
    """Write the page into a folder of its own, for any server of files.

    Args:
        folder: new or empty.
        runtime, model, detector: see :func:`page_files`.

    Raises:
        ModelError: model and detector have the same file name.
        OutputError: the folder cannot be written.
    """
    if detector.name == model.name:
        raise ModelError(f"model and detector are both called {model.name}; rename one of the files")
    pending = Pending(folder, folder=True)
    try:
        for name, content in page_files(runtime, model, detector).items():
            path = pending.temp / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                shutil.copyfile(content, path)
            else:
                path.write_text(content, encoding="utf-8")
        pending.commit()
    finally:
        pending.discard()

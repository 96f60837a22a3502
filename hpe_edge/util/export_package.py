"""Import of the build-time tools on demand: the ``export`` package, which is installed beside hpe_edge.

The name is a usual one. A module ``export`` elsewhere on the path, such as one in the current folder, is not taken.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from hpe_edge.errors import BackendError

_FOLDER = Path(__file__).resolve().parents[2] / "export"
_PACKAGES = ("torch", "onnx", "onnxsim", "safetensors", "h5py")


def load_step(step: str) -> ModuleType:
    """Import ``export.STEP``; for a command, which has no modules of the user's.

    Raises:
        BackendError: the export package or one that it needs is missing.
    """
    _load_package()
    try:
        return importlib.import_module(f"export.{step}")
    except ModuleNotFoundError as error:
        if error.name not in _PACKAGES:
            raise
        raise BackendError(
            f"hpe-edge export {step} needs {error.name}, which is not installed: run pip install 'hpe-edge[export]'"
        ) from None


@contextlib.contextmanager
def borrowed_step(step: str) -> Iterator[ModuleType]:
    """Import ``export.STEP`` for a block; afterwards the user's own modules of that name are back.

    Raises:
        BackendError: see :func:`load_step`.
    """
    own = {} if _is_loaded() else {name: sys.modules[name] for name in _loaded_names()}
    try:
        yield load_step(step)
    finally:
        if own:
            for name in _loaded_names():
                del sys.modules[name]
            sys.modules.update(own)


def _load_package() -> None:
    """Load the installed ``export`` package into ``sys.modules``, where its own modules find it."""
    if _is_loaded():
        return
    for name in _loaded_names():
        del sys.modules[name]
    spec = importlib.util.spec_from_file_location(
        "export", _FOLDER / "__init__.py", submodule_search_locations=[str(_FOLDER)]
    )
    if spec is None or spec.loader is None or not (_FOLDER / "__init__.py").is_file():
        raise BackendError(f"the export package is missing in {_FOLDER.parent}: install hpe-edge again")
    package = importlib.util.module_from_spec(spec)
    sys.modules["export"] = package
    spec.loader.exec_module(package)


def _is_loaded() -> bool:
    loaded = sys.modules.get("export")
    return loaded is not None and Path(getattr(loaded, "__file__", None) or "").parent == _FOLDER


def _loaded_names() -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] == "export"]

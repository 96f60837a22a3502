"""ONNX Runtime Web, as npm installs it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from hpe_edge.errors import BackendError

PACKAGE = "onnxruntime-web"
VERSION = "1.30.0"  # tested; package-lock.json has its checksum
FOLDER_VARIABLE = "HPE_EDGE_ORT_WEB"

_ROOT = Path(__file__).resolve().parents[2]
SCRIPT, LOADER, BINARY = "ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"


def find_runtime() -> Path:
    """Return the folder of ONNX Runtime Web's files: the one that ``HPE_EDGE_ORT_WEB`` names, or else ``node_modules``
    of the current folder, of those above it, or of the checkout.

    Raises:
        BackendError: it is not installed, or is of another version.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    here = Path.cwd()
    folders = [Path(named)] if named else [at / "node_modules" / PACKAGE for at in (here, *here.parents, _ROOT)]
    package = next((folder for folder in folders if (folder / "package.json").is_file()), None)
    if package is None:
        where = f"{FOLDER_VARIABLE} names {named}, which lacks it" if named else "there is no node_modules with it"
        raise BackendError(f"this needs {PACKAGE}: {where}; install it with `npm install {PACKAGE}@{VERSION}`")
    version = json.loads((package / "package.json").read_text(encoding="utf-8")).get("version")
    if version != VERSION:
        raise BackendError(
            f"{package} is version {version}, tested is {VERSION}; install it with `npm install {PACKAGE}@{VERSION}`"
        )
    return package / "dist"


def find_node() -> str:
    """Return the program ``node``.

    Raises:
        BackendError: it is not installed.
    """
    node = shutil.which("node")
    if node is None:
        raise BackendError("this needs Node.js, 20 or newer: install it (https://nodejs.org) so that `node` runs")
    return node

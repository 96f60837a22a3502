"""Packages that only some requests need: they are looked for when such a request comes."""

from __future__ import annotations

import importlib
from typing import Any

from hpe_edge.errors import BackendError


def need(name: str, purpose: str) -> Any:
    """Import a package, or say how to get it.

    Raises:
        BackendError: the package is missing here, or broken.
    """
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:  # OSError: a library that the package loads is missing
        raise BackendError(
            f"{purpose} needs {name.partition('.')[0]}, which cannot be imported here ({error}); run, in the checkout: "
            "pip install -c constraints.txt '.[export]'"
        ) from None

"""Import of the compiled module, with instructions where it is missing."""

from __future__ import annotations

from pathlib import Path

try:
    import hpe_edge._native as native
except ImportError as error:
    _root = Path(__file__).resolve().parents[2]
    _checkout = (_root / "CMakeLists.txt").is_file()
    _remedy = (
        f"this is the source tree {_root}, which hides an installed hpe_edge and has no compiled module of its "
        "own: run `pip install -e .` there, or start Python from another folder"
        if _checkout
        else "the installation is incomplete, or made for another Python: run `pip install --force-reinstall` with the "
        "checkout or the wheel that it was installed from"
    )
    raise ImportError(f"hpe_edge._native cannot be loaded ({error}); {_remedy}") from error

__all__ = ["native"]

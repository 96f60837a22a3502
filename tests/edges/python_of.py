"""Type of the fixture ``python_of``."""

from collections.abc import Callable
from pathlib import Path

PythonOf = Callable[[str], Path | None]

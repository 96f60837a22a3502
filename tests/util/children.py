"""Work for children of the tests."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str]) -> bytes:
    """Do what the first argument names."""
    kind, *rest = arguments
    if kind == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if kind == "hang":
        time.sleep(60)
    if kind == "raise":
        raise ValueError
    print("noise, which is no result")
    os.write(1, b"noise below Python")
    return "|".join([kind, *rest, str(str(Path.cwd()) in sys.path)]).encode()

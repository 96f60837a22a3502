"""Imports the compiled module and prints as JSON what it can do. Run in a process of its own.

A module built for another processor ends the process when it is loaded.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[3])  # where hpe_edge lies, in place of this folder


def main() -> None:
    """Print the instruction sets, the CUDA version of the build (0 without), and why its kernels find no GPU, if so."""
    try:
        from hpe_edge.ops.native import native
    except ImportError as error:
        print(json.dumps({"problem": str(error)}))
        return
    probe = native.probe_cuda()
    print(json.dumps({"isa": native.isa_names(), "cuda": probe.runtime_version, "no_gpu": probe.reason}))


if __name__ == "__main__":
    main()

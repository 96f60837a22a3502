"""Imports TensorRT and prints its version as JSON. Run in a process of its own: it loads a gigabyte of libraries.

Nothing of TensorRT is called. Its Runtime would crash where no driver works.
"""

from __future__ import annotations

import json


def main() -> None:
    """Print the answer."""
    try:
        import tensorrt
    except (ImportError, OSError) as error:
        print(json.dumps({"problem": str(error)}))
        return
    print(json.dumps({"version": tensorrt.__version__}))


if __name__ == "__main__":
    main()

"""The project's own measurements: the runtime beside the alternatives. Run ``python -m benchmarks SUITE``."""

import os
from pathlib import Path

if not Path(__file__).resolve().parents[1].joinpath("pyproject.toml").is_file():
    raise ImportError(
        "benchmarks runs in a checkout of hpe_edge only: clone the repository, run pip install -e '.[benchmarks]' "
        "there and start it there; every installation has `hpe-edge bench MODEL`"
    )

# Everything is timed on one thread. NumPy's linear algebra reads these once, when NumPy is first imported.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

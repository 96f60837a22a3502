"""Timings of the runtime beside the alternatives. Run ``python -m benchmarks SUITE``."""

import os

# Everything is timed on one thread. NumPy's linear algebra reads these once, when NumPy is first imported.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

"""Build-time tools: from a trained checkpoint to the files that hpe_edge runs.

Each step is a module to be run, such as ``python -m export.onnx CHECKPOINT``, and ends with the gate
(:mod:`export.gate.gate`), which compares its result with what it started from, in degrees, on real faces. PyTorch is
needed here and only here; in the checkout: ``pip install -c constraints.txt '.[export]'``. Nothing in ``hpe_edge``
imports this package.
"""

"""Build-time tools: from a trained checkpoint to the files that hpe_edge runs.

Each step is a module with a command and a function of the same power: ``python -m export.onnx CHECKPOINT`` and
:func:`export.onnx.export`, :func:`export.onnx.adopt`, :func:`export.fp16.convert`, :func:`export.int8.quantize`,
:func:`export.trt.build`, :func:`export.triton.export`, :func:`export.deepstream.exporting.export`,
:func:`export.edge.export`, :func:`export.picture.export`, :func:`export.browser.export`,
:func:`export.sigma.calibrate`, :func:`export.distill.train`, :func:`export.compare.compare`.
A step that changes the network ends with the accuracy gate (:mod:`export.gate.gate`), which compares the result with
its original, in degrees, on real faces. PyTorch is needed here and only here:
``pip install 'hpe-edge[export]'``. Nothing in ``hpe_edge`` imports this package.
"""

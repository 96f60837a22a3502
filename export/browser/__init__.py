"""Write a page that runs a model in the browser: ``python -m export.browser MODEL.onnx -o FOLDER``.

``js`` is the library: crop, decode and detector in JavaScript; ``page`` is the page; ``node_scripts`` are started by
Python in Node. ONNX Runtime Web, which npm fetches, runs the networks. In Python: :func:`export`.
"""

from export.browser.exporting import export, main

__all__ = ["export", "exporting", "main", "node", "runtime", "site"]

"""Head pose in the browser: crop, decode and detector in JavaScript, their page, and the same models in Node.

``js`` is the library, ``page`` the page of the documentation, ``node_scripts`` what Python starts in Node. ONNX Runtime
Web, which npm fetches, runs the networks.
"""

__all__ = ["node", "runtime", "site"]

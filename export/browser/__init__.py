"""Head pose in the browser: crop, decode and detector in JavaScript, their page, and the same models in Node.

``js`` is the library, ``page`` the page of the documentation, ``node_scripts`` what Python starts in Node. Networks run by ONNX Runtime
Web, which npm fetches.
"""

__all__ = ["node", "runtime", "site"]

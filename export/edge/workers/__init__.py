"""Scripts that run in the Python of a converter, which may have nothing else installed than the converter and NumPy.

``run_worker`` is the script; it imports one of the others by name, and they import nothing of the project. Each has
``convert(job)``, which writes ``job["files"]``, and ``load(job)``, which returns a function from a batch
``[N, 3, size, size]`` to the outputs in the order of ``job["outputs"]``. The job is described in
:mod:`export.edge.worker_process`.
"""

__all__: list[str] = []

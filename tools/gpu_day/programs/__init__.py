"""Programs that steps of the GPU day run, on the machine with the GPU."""

__all__: list[str] = []

"""Commands run and serve: arguments, checks, the run itself and its summary."""

__all__ = ["arguments", "run_command", "run_options", "serve_command"]

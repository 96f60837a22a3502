"""The shell that the export commands share."""

__all__ = ["command", "list_families", "output_path", "packages", "report"]

"""The shell that the export commands share."""

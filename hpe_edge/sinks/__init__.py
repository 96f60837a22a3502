"""Outputs of a run: records, annotated images and videos, window, table, OpenTrack, trace."""

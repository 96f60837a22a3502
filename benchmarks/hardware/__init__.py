"""Peaks, rooflines and GPU clocks."""

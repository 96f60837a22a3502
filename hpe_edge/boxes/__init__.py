"""Face boxes: whose they are, checks of those that come from elsewhere, and their overlap."""

__all__ = ["box_checks", "box_fit", "boxes_csv", "measure_fit", "overlap"]

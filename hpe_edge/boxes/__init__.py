"""Face boxes: whose they are, and checks of those that come from elsewhere."""

__all__ = ["box_checks", "box_fit", "boxes_csv", "measure_fit"]

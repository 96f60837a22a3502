"""Face detectors on grids of cells: the embedded one, SCRFD and YuNet."""

__all__ = ["anchor_free", "embedded", "region_schedule", "scrfd", "yunet"]

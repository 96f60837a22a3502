"""Face detectors on grids of cells: the embedded one, SCRFD and YuNet."""

__all__ = ["anchor_free", "embedded", "looks", "region_schedule", "scrfd", "yunet"]

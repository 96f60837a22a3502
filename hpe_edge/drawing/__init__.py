"""Drawing poses, labels and angle plots into images."""

__all__ = ["angle_plot", "draw_faces", "draw_poses", "shapes", "strokes", "style"]

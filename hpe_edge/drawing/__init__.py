"""Drawing poses, labels and angle plots into images."""

"""The face detector's network: its form, first weights, loss, faces and file."""

__all__ = ["decoding", "exporting", "loss", "network", "own_weights", "yunet_weights"]

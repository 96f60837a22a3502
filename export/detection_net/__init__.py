"""The face detector's network: its form, first weights, loss, faces and file."""

__all__ = ["decoding", "exporting", "loss", "network", "yunet_weights"]

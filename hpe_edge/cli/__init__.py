"""The command hpe-edge. argparse ends here."""

__all__ = ["main"]

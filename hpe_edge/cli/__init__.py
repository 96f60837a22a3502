"""Command line ``hpe-edge``; argparse is used only here."""

__all__ = ["argument_types", "attention_options", "intrinsics", "main"]

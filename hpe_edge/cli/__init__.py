"""The command hpe-edge. argparse ends here."""

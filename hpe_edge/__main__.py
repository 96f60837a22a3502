"""``python -m hpe_edge`` is the command hpe-edge."""

from hpe_edge.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())

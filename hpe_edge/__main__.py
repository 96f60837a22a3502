"""Entry point of ``python -m hpe_edge``, the command hpe-edge."""

from hpe_edge.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())

"""Command ``python -m export.edge``."""

import sys

from export.edge.exporting import main
from hpe_edge.util.shell import interrupt_on_signals

if __name__ == "__main__":
    interrupt_on_signals()
    sys.exit(main())

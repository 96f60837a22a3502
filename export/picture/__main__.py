"""Command ``python -m export.picture``."""

import sys

from export.picture.exporting import main
from hpe_edge.util.shell import interrupt_on_signals

if __name__ == "__main__":
    interrupt_on_signals()
    sys.exit(main())

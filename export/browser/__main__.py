"""Command ``python -m export.browser``."""

import sys

from export.browser.exporting import main
from hpe_edge.util.shell import interrupt_on_signals

if __name__ == "__main__":
    interrupt_on_signals()
    sys.exit(main())

"""What runs the native operations' formulas: the loops of each instruction set and the CUDA launch, emulated."""

from hpe_edge.native import native
from hpe_edge.ops import isa_names

LOOPS = [*isa_names(), native.EMULATED]

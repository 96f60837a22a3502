"""The modules with mutants."""

from __future__ import annotations

from tools.mutants import gate_mutants, geometry_mutants, smoother_mutants, spec_mutants, tracker_mutants

TARGETS = (
    geometry_mutants.TARGET,
    smoother_mutants.TARGET,
    tracker_mutants.TARGET,
    *gate_mutants.TARGETS,
    spec_mutants.TARGET,
)

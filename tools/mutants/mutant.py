"""A mutant: one small fault in one file, and the tests that should notice it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mutant:
    """A fault.

    Attributes:
        before: text of the source, which is there once.
        after: what stands there instead.
        equivalent: why no test can notice it; empty for a fault.
    """

    before: str
    after: str
    equivalent: str = ""


@dataclass(frozen=True)
class Target:
    """A module and its mutants.

    Attributes:
        module: full name, such as ``"hpe_edge.geometry"``.
        tests: files that should notice, from the project's root.
        mutants: the faults.
    """

    module: str
    tests: tuple[str, ...]
    mutants: tuple[Mutant, ...]

    @property
    def path(self) -> Path:
        """The module's file, from the project's root."""
        return Path(*self.module.split(".")).with_suffix(".py")

    def mutated(self, source: str, mutant: Mutant) -> str:
        """Return the source with the fault.

        Raises:
            ValueError: the text to replace is not there once: the source has changed, so the mutant must as well.
        """
        count = source.count(mutant.before)
        if count != 1:
            raise ValueError(f"{self.path} has {mutant.before!r} {count} times; change the mutant with the source")
        return source.replace(mutant.before, mutant.after)

"""The answer of one probe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["found", "missing", "broken"]


@dataclass(frozen=True)
class Finding:
    """What is known about one thing on a machine.

    Attributes:
        status: ``"found"``: there, and as far as was tried it works; ``"missing"``: not there; ``"broken"``: there, but
            it does not work, or it could not be looked at.
        text: in one line, for people.
        facts: the same and more, for programs; plain JSON values.
    """

    status: Status
    text: str
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def found(self) -> bool:
        """Whether it is there and works."""
        return self.status == "found"


def guarded(probe: Callable[..., Finding], *arguments: object) -> Finding:
    """The probe's answer; where it fails, a finding that says so. One odd machine must not hide all the rest."""
    try:
        return probe(*arguments)
    except Exception as error:  # whatever a machine can do to a probe
        return Finding("broken", f"could not be looked at ({type(error).__name__}: {error})")

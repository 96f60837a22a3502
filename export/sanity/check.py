"""The sanity check of an export: certain mistakes are refused, doubtful models reported.

The gate's comparison cannot see a mistake that both of its sides make: a wrong family, order, sign or normalisation.
"""

from __future__ import annotations

from collections.abc import Sequence

from export.sanity.readings import Reading, better_reading, read
from export.sanity.suspect import Suspect, Twin
from export.step import Reporter
from hpe_edge.errors import HpeEdgeError

_BETTER_DEG = 3.0  # by which a twin must be better to be named


class SanityFailed(HpeEdgeError):
    """The answers do not follow heads that turn, and the reason is known; nothing was written."""

    exit_status = 3


def check_sanity(suspect: Suspect, report: Reporter) -> None:
    """Check that a network's answers follow the views of :mod:`export.sanity.views`.

    Raises:
        SanityFailed: they do not, and they do in another reading, or the file holds another network.
    """
    asked = read("", suspect.spec, suspect.run, suspect.batch)
    twins = [read(twin.name, *twin.load(), twin.batch) for twin in suspect.twins]
    better = min(twins, key=lambda each: each.found.score_deg, default=None)
    if better is not None and better.found.score_deg > asked.found.score_deg - _BETTER_DEG:
        better = None
    if not asked.found.doubtful:
        report("sanity", [f"the answers follow turned heads: {asked.found.summary()}", *_twin_lines(better)])
        return
    found = asked.found.faults() or [f"they differ by {asked.found.error_deg:.0f} degrees on average"]
    wrong = "the answers do not follow turned heads, so the angles will be wrong:"
    lines = [wrong, *found, asked.found.summary()]
    reading = None
    refusal = ""
    if better is not None and not better.found.doubtful:
        refusal = f"those of {better.words} do ({_errors(asked, better)}): use --arch {better.words}"
    else:
        reading = better_reading(suspect.spec, suspect.run, suspect.batch, other_inputs=bool(suspect.remedy))
        if reading is not None and suspect.remedy:
            refusal = f"they do {reading.words} ({_errors(asked, reading)}): {suspect.remedy}"
        elif suspect.is_other_network:
            refusal = f"it holds {suspect.weights} weights, the family {suspect.expected}: check the file and --arch"
    if refusal:
        report("sanity", lines)
        raise SanityFailed(
            f"{suspect.name}, read as {suspect.spec.architecture}, does not follow heads that turn in the bundled "
            f"photos ({found[0]}); {refusal}; nothing was written"
        )
    report("sanity", [*lines, *_twin_lines(better), *_advice(reading)])


def _errors(asked: Reading, better: Reading) -> str:
    return f"within {better.found.error_deg:.1f} degrees instead of {asked.found.error_deg:.1f}"


def rank_twins(twins: Sequence[Twin]) -> str:
    """A line on the twin that follows turned heads best."""
    found = [read(twin.name, *twin.load(), twin.batch) for twin in twins]
    best, *others = sorted(found, key=lambda each: each.found.score_deg)
    if best.found.doubtful:
        return "none of them follows turned heads well in the bundled photos; the best is " + best.words
    if others and others[0].found.score_deg < best.found.score_deg + _BETTER_DEG:
        return f"on the bundled photos {best.words} and {others[0].words} follow turned heads alike"
    return f"on the bundled photos --arch {best.words} follows turned heads best ({best.found.summary()})"


def _twin_lines(better: Reading | None) -> list[str]:
    if better is None:
        return []
    return [f"the weights also fit {better.words}, which follows better ({better.found.summary()}): is it that?"]


def _advice(reading: Reading | None) -> list[str]:
    if reading is not None:
        return [f"it follows {reading.words}: was it trained so?"]
    return ["its weights are untrained or damaged, or its input is another one than the family's; do not rely on it"]

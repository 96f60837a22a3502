"""Tables of docs/gpu.md from the committed runs: the kernels before and after, and predicted times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchmarks.harness.schema import Document
from benchmarks.harness.timing import Result
from benchmarks.report.tables import Table

SHOWN = ("sm_75", "sm_87", "sm_89", "sm_90")
FACES, OUTPUT = 16, "float32"

Key = tuple[str, str]  # kernel, and architecture or GPU


def kernel_blocks(documents: Mapping[str, Document]) -> dict[str, str]:
    """Return each table, by the name of its markers; documents by the stems of their files."""
    runs = {name: documents.get(f"cuda-{name}") for name in ("ptxas-before", "ptxas", "kernel-model-before")}
    model = documents.get("cuda-kernel-model")
    before, after, model_before = runs.values()
    if before is None or after is None or model_before is None or model is None:
        return {"kernels": "", "predicted": ""}
    registers = Table(
        "Registers of a thread, bytes spilled, occupancy",
        ("before → after", *SHOWN),
        list(_registers(_figures(before, "architecture"), _figures(after, "architecture"))),
    )
    predicted = Table(
        f"Predicted microseconds for {FACES} faces, windows of 200 pixels to 112², {OUTPUT}",
        ("before → after", *dict.fromkeys(gpu for _, gpu in _predicted(model))),
        list(_times(_predicted(model_before), _predicted(model))),
    )
    return {"kernels": registers.markdown(), "predicted": predicted.markdown()}


def _results(document: Document) -> Iterator[Result]:
    return (result for part in document.parts for result in part.results)


def _figures(document: Document, where: str) -> dict[Key, Result]:
    return {(str(each.parameters["kernel"]), str(each.parameters[where])): each for each in _results(document)}


def _predicted(document: Document) -> dict[Key, float | None]:
    return {
        (str(each.parameters["kernel"]), str(each.parameters["gpu"])): each.figures["predicted_us"]
        for each in _results(document)
        if each.name == "predicted" and each.parameters["faces"] == FACES and OUTPUT in str(each.parameters["kernel"])
    }


def _registers(before: Mapping[Key, Result], after: Mapping[Key, Result]) -> Iterator[tuple[str, ...]]:
    kernels = dict.fromkeys(name for name, _ in after if OUTPUT in name or name.startswith("decode"))
    for kernel in sorted(kernels):
        yield kernel, *(f"{_cell(before[kernel, each])} → {_cell(after[kernel, each])}" for each in SHOWN)


def _cell(result: Result) -> str:
    figures = result.figures
    spilled = (figures["spill_store_bytes"] or 0) + (figures["spill_load_bytes"] or 0)
    return f"{figures['registers']:.0f}{f' +{spilled:.0f} B' if spilled else ''}, {figures['occupancy_percent']:.0f} %"


def _times(before: Mapping[Key, float | None], after: Mapping[Key, float | None]) -> Iterator[tuple[str, ...]]:
    gpus = dict.fromkeys(gpu for _, gpu in after)
    for kernel in sorted({name for name, _ in after}):
        yield kernel, *(f"{_us(before.get((kernel, gpu)))} → {_us(after[kernel, gpu])}" for gpu in gpus)


def _us(value: float | None) -> str:
    return "?" if value is None else f"{value:.1f}"

"""Write the documents' figures from the committed runs in benchmarks/results.

They are docs/performance.md, and blocks between markers in README.md, docs/accuracy.md and docs/gpu.md. Run ``python
-m tools.performance_page`` after a new run; ``--check`` writes nothing, and the exit status is 1 where a file is out
of date.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.harness.schema import Document, read_document
from benchmarks.harness.timing import Result, Row
from benchmarks.report.tables import Table, facts, in_time
from hpe_edge.errors import InputError
from hpe_edge.util.atomic import Pending
from hpe_edge.util.shell import CommandParser, run_in_shell
from tools.accuracy_tables import accuracy_blocks
from tools.kernel_model.page_blocks import kernel_blocks
from tools.page_tables import OF_SUITE

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path("benchmarks/results")
PAGE = Path("docs/performance.md")
README = Path("README.md")
ACCURACY = Path("docs/accuracy.md")
GPU = Path("docs/gpu.md")

_HEAD = """\
# Performance

Written by `python -m tools.performance_page` from the runs in
[benchmarks/results](../benchmarks/results): change nothing here by hand. [benchmarks.md](benchmarks.md) says how to
make such runs and how to read them. Times are medians; a range is that of the 10th to the 90th percentile. Every
comparison was made in one run, in turns, after the answers had been compared.
"""


def page(documents: Mapping[Path, Document]) -> str:
    """Return docs/performance.md.

    Args:
        documents: by their files, from the repository's root.
    """
    lines = [_HEAD]
    shown = set()
    for suite, (title, tables) in OF_SUITE.items():
        section = []
        for path, document in documents.items():
            found = [table for part in document.parts if part.suite == suite for table in tables(part)]
            if found:
                shown.add(path)
                section += [_provenance(path, document), *(table.markdown() for table in found)]
        if section:
            lines += [f"## {title}\n", *section]
    others = [(path, document) for path, document in documents.items() if path not in shown]
    if others:
        lines.append("## Other runs\n")
        rows = [(f"[{p.name}](../{p.as_posix()})", d.suite, d.date[:10], _commit(d)) for p, d in others]
        lines.append(Table("Shown on other pages, or only kept", ("", "suite", "date", "commit"), rows).markdown())
    return "\n".join(lines)


def readme_part(documents: Mapping[Path, Document]) -> str:
    """Return the block of README.md: one small table; docs/performance.md has every case."""
    rows, sources = [], []
    for path, document in documents.items():
        found = [row for part in document.parts for result in part.results for row in _readme_rows(part.suite, result)]
        if found:
            rows += found
            sources.append(f"[{document.suite}]({path.as_posix()})")
            title = f"{facts(document.environment)['processor']} ({', '.join(sources)})"
    return Table(title, ("", "hpe_edge", "beside", "times as fast"), rows).markdown() if rows else ""


def _readme_rows(suite: str, result: Result) -> Iterator[tuple[str, ...]]:
    by, times = result.parameters, {row.name: row for row in result.rows}
    if suite == "ops" and result.name == "crop_normalize" and by["box"] == "130 px":
        yield _readme_row(
            f"crop, 130 px box to {by['size']}²", times["hpe_edge"], "OpenCV, best chain", times["opencv best"]
        )
    elif suite == "ops" and result.name == "decode" and by["faces"] == 64:
        yield _readme_row(f"decode, 64 faces of {by['bins']} bins", times["hpe_edge"], "NumPy", times["numpy"])
    elif suite == "pipeline" and result.name in ("one face", "8 faces") and by["threads"] == 1:
        ours, plain = times["onnxruntime cpu fp32"], times["plain"]
        faster = f"{1 / ours.ratio.median:.1f}"
        what = f"{by['model']}, {by['size']}², from frame to angles, {result.name}"
        yield (
            what,
            in_time(ours.time_us.median),
            f"plain Python on ONNX Runtime, {in_time(plain.time_us.median)}",
            faster,
        )


def _readme_row(what: str, ours: Row, name: str, other: Row) -> tuple[str, ...]:
    times = in_time(ours.time_us.median), f"{name}, {in_time(other.time_us.median)}"
    return what, *times, f"{other.ratio.median:.1f}"


def _provenance(path: Path, document: Document) -> str:
    about = facts(document.environment)
    hardware = ", ".join(about[topic] for topic in ("processor", "board", "GPU") if topic in about)
    lines = [
        f"**{hardware}**, {document.date[:10]}. hpe_edge {about['hpe_edge']};",
        f"{about['versions']}.",
        f"[{path.name}](../{path.as_posix()}), made by `{' '.join(document.command)}`.",
        *(f"Warning: {warning}." for warning in document.warnings),
    ]
    return "\n".join(lines) + "\n"


def _commit(document: Document) -> str:
    return str(document.environment["git"]["commit"] or "unknown")[:12]


def read_results(root: Path) -> dict[Path, Document]:
    """The committed runs, by their files from ``root``, in the order of their names.

    Raises:
        SourceError: one of them cannot be read.
        InputError: one was made with --quick or from a changed checkout, so it is not reproducible.
    """
    found = {path.relative_to(root): read_document(path) for path in sorted((root / RESULTS).glob("*.json"))}
    for path, document in found.items():
        if document.quick or document.environment["git"]["dirty"] is not False:
            raise InputError(f"{path} was made with --quick or from a changed checkout; make it again from a commit")
    return found


def pages(root: Path) -> dict[Path, str]:
    """Return the text of each file, by its place from ``root``.

    Raises:
        SourceError: see :func:`read_results`.
        InputError: a file has no markers.
    """
    documents = read_results(root)
    by_name = {path.stem: document for path, document in documents.items()}
    return {
        PAGE: page(documents),
        README: filled(root, README, {"performance": readme_part(documents)}),
        ACCURACY: filled(root, ACCURACY, accuracy_blocks(by_name)),
        GPU: filled(root, GPU, kernel_blocks(by_name)),
    }


def filled(root: Path, path: Path, blocks: Mapping[str, str]) -> str:
    """Return a file with blocks between ``<!-- NAME, written by ... -->`` and ``<!-- end of NAME -->``."""
    text = (root / path).read_text(encoding="utf-8")
    for name, block in blocks.items():
        begin, end = markers(name)
        found = re.search(f"(<!-- {name}, written by .*? -->\n)(.*?)(?={re.escape(end)})", text, re.DOTALL)
        if found is None:
            raise InputError(f"{path} must hold the lines {begin} and {end}; the figures come between them")
        text = f"{text[: found.start()]}{begin}\n{block}{text[found.end() :]}"
    return text


def markers(name: str) -> tuple[str, str]:
    """Return the lines before and after a block."""
    return f"<!-- {name}, written by tools.performance_page -->", f"<!-- end of {name} -->"


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Run the command line; returns the exit status."""
    about = f"Write {PAGE} and the figures of {README}, {ACCURACY} and {GPU} from the runs in {RESULTS}."
    parser = CommandParser(prog="python -m tools.performance_page", description=about)
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 where they are out of date")

    def command() -> int:
        args = parser.parse_args(argv)
        texts = pages(root)
        stale = [path for path, text in texts.items() if not _holds(root / path, text)]
        for path in stale:
            if args.check:
                print(f"{path}: out of date; run python -m tools.performance_page")
            else:
                _write(root / path, texts[path])
                print(f"{path}: written")
        return 1 if args.check and stale else 0

    return run_in_shell("tools.performance_page", command)


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def _write(path: Path, text: str) -> None:
    pending = Pending(path)
    try:
        pending.temp.write_text(text, encoding="utf-8")
        pending.commit()
    finally:
        pending.discard()


if __name__ == "__main__":
    raise SystemExit(main())

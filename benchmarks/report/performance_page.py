"""Writes docs/performance.md and the table of README.md from the committed runs in benchmarks/results.

``python -m benchmarks.report.performance_page`` after a new run; ``--check`` says whether both are up to date. Exit
status: 0 they are, or were written; 1 they are not; 2 wrong usage.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.harness.schema import Document, Part, read_document
from benchmarks.report.page_tables import OF_SUITE, ops_tables, pipeline_tables
from benchmarks.report.screen import facts
from benchmarks.report.tables import Table
from hpe_edge.errors import HpeEdgeError, InputError
from hpe_edge.util.atomic import Pending

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path("benchmarks/results")
PAGE = Path("docs/performance.md")
README = Path("README.md")
BEGIN, END = "<!-- performance, written by benchmarks.report.performance_page -->", "<!-- end of performance -->"
_README_ROWS = ("crop, 60 px", "crop, 130 px", "crop, 400 px", "decode, 64")

_HEAD = """\
# Performance

Written by `python -m benchmarks.report.performance_page` from the runs in
[benchmarks/results](../benchmarks/results): change nothing here by hand. [benchmarks.md](benchmarks.md) says how to
make such runs and how to read them. Times are medians; a range is that of the 10th to the 90th percentile. Every
comparison was made in one run, in turns, after the answers had been compared.
"""


def page(documents: Mapping[Path, Document]) -> str:
    """docs/performance.md.

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
                section += [_provenance(path, document), *map(markdown, found)]
        if section:
            lines += [f"## {title}\n", *section]
    others = [(path, document) for path, document in documents.items() if path not in shown]
    if others:
        lines.append("## Other runs\n")
        rows = [(f"[{p.name}](../{p.as_posix()})", d.suite, d.date[:10], _commit(d)) for p, d in others]
        lines.append(markdown(Table("Shown on other pages, or only kept", ("", "suite", "date", "commit"), rows)))
    return "\n".join(lines)


def readme_part(documents: Mapping[Path, Document]) -> str:
    """What stands in README.md between the two marks."""
    lines = []
    for path, document in documents.items():
        for part in document.parts:
            tables = list(_readme_tables(part))
            if tables:
                said = facts(document.environment)
                lines.append(f"{said['processor']}, {document.date[:10]}, {said['versions']}")
                lines.append(f"([run]({path.as_posix()})).\n")
                lines += map(markdown, tables)
    return "\n".join(lines)


def _readme_tables(part: Part) -> Iterator[Table]:
    if part.suite == "ops":
        for table in ops_tables(part):
            rows = [row for row in table.rows if row[0].startswith(_README_ROWS) and not row[0].endswith("faces")]
            yield Table(table.title, table.columns, rows)
    elif part.suite == "pipeline":
        yield from (table for table in pipeline_tables(part) if "plain" in table.columns)


def markdown(table: Table) -> str:
    """A table with its title over it."""
    lines = [f"{table.title}:\n", _line(table.columns), "|---" * len(table.columns) + "|", *map(_line, table.rows)]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    said = (cell.replace("|", "\\|").replace("\n", " ") for cell in cells)
    return "|" + "|".join(f" {cell} " if cell else " " for cell in said) + "|"


def _provenance(path: Path, document: Document) -> str:
    said = facts(document.environment)
    hardware = ", ".join(said[topic] for topic in ("processor", "board", "GPU") if topic in said)
    lines = [
        f"**{hardware}**, {document.date[:10]}. hpe_edge {said['hpe_edge']};",
        f"{said['versions']}.",
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
        InputError: one was made with --quick or from a changed checkout, so that nobody could make it again.
    """
    found = {path.relative_to(root): read_document(path) for path in sorted((root / RESULTS).glob("*.json"))}
    for path, document in found.items():
        if document.quick or document.environment["git"]["dirty"] is not False:
            raise InputError(f"{path} was made with --quick or from a changed checkout; make it again from a commit")
    return found


def pages(root: Path) -> dict[Path, str]:
    """What each file should hold.

    Raises:
        SourceError: see :func:`read_results`.
        InputError: README.md has no marks.
    """
    documents = read_results(root)
    text = (root / README).read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise InputError(f"{README} must hold the lines {BEGIN} and {END}; the table comes between them")
    return {PAGE: page(documents), README: f"{before}{BEGIN}\n{readme_part(documents)}{END}{after}"}


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.report.performance_page",
        description=f"Write {PAGE} and the table of {README} from the runs in {RESULTS}.",
        allow_abbrev=False,
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 where they are out of date")
    try:
        args = parser.parse_args(argv)
    except SystemExit as wanted:
        return int(wanted.code or 0)
    try:
        texts = pages(root)
        stale = [path for path, text in texts.items() if not _holds(root / path, text)]
        if not args.check:
            for path in stale:
                _write(root / path, texts[path])
    except HpeEdgeError as error:
        print(f"benchmarks: error: {error}", file=sys.stderr)
        return 1
    for path in stale:
        print(f"{path}: {'out of date; run python -m benchmarks.report.performance_page' if args.check else 'written'}")
    return 1 if args.check and stale else 0


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

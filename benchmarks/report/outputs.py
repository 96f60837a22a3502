"""The files that a run or a report writes: complete or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from benchmarks.harness.schema import Document, to_json
from benchmarks.report.charts import charts, require_matplotlib
from benchmarks.report.html_report import page
from hpe_edge.util.atomic import Pending


class Outputs:
    """Files on their way. Made before the run, so that a name that cannot be written to is said at once."""

    def __init__(self, json: Path | None, html: Path | None, plots: Path | None) -> None:
        """Make temporary files beside the names; None for what is not wanted.

        Raises:
            OutputError: a place cannot be written to.
            BackendError: a page or plots are wanted, but matplotlib is not installed.
        """
        if html is not None or plots is not None:
            require_matplotlib()
        self._json = self._html = self._plots = None
        try:
            self._json = None if json is None else Pending(json)
            self._html = None if html is None else Pending(html)
            self._plots = None if plots is None else Pending(plots, folder=True)
        except BaseException:
            self._discard()
            raise

    def write(self, documents: Sequence[Document]) -> None:
        """Write all of them and give them their names, the JSON first: it took longest to come by.

        Args:
            documents: of which a page and plots may have several; a JSON file holds one.
        """
        if self._json is not None:
            (document,) = documents
            self._json.temp.write_text(to_json(document), encoding="utf-8")
            self._json.commit()
        if self._html is None and self._plots is None:
            return
        drawn = [charts(document) for document in documents]
        if self._html is not None:
            self._html.temp.write_text(page(documents, drawn), encoding="utf-8")
            self._html.commit()
        if self._plots is not None:
            for number, charts_of_one in enumerate(drawn, start=1):
                prefix = f"{number}-" if len(documents) > 1 else ""
                for chart in charts_of_one:
                    (self._plots.temp / f"{prefix}{chart.name}.png").write_bytes(chart.png)
            self._plots.commit()

    def _discard(self) -> None:
        for pending in (self._json, self._html, self._plots):
            if pending is not None:
                pending.discard()

    def __enter__(self) -> Outputs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._discard()  # harmless after write

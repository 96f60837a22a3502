"""MkDocs hooks: README.md is the home page, and files outside docs/ that a page links to become part of the site.

Pages link as they do in a checkout, by relative paths. ``../benchmarks/results/run.json`` in docs/page.md becomes
``repository/benchmarks/results/run.json`` in the site; links of README.md and CONTRIBUTING.md are turned the same way.

The page that runs the models in the browser is put together below ``browser/``, from export/browser, the embedded
models and ONNX Runtime Web, which ``npm ci`` fetches.
"""

from __future__ import annotations

import logging
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from export.browser.runtime import find_runtime
from export.browser.site import page_files
from hpe_edge.errors import BackendError

ROOT = Path(__file__).resolve().parents[1]
HOME, AREA = "README.md", "repository"
PAGES = (HOME, "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md", "hpe_edge/models/README.md")

BROWSER = "browser"

_log = logging.getLogger("mkdocs.hooks.site")
_LINK = re.compile(r"(\]\()(?!https?://|#|mailto:)([^)#\s]+)")


def site_path(repository_path: str) -> str:
    """Path in the site of a file of the repository."""
    if repository_path == HOME:
        return "index.md"
    if repository_path.startswith("docs/"):
        return repository_path.removeprefix("docs/")
    return f"{AREA}/{repository_path}"


def repository_path(src_uri: str) -> str:
    """Inverse of :func:`site_path`."""
    if src_uri == "index.md":
        return HOME
    return src_uri.removeprefix(f"{AREA}/") if src_uri.startswith(f"{AREA}/") else f"docs/{src_uri}"


def _target(link: str, page: str) -> str | None:
    """Repository path that a link of a page leads to; None outside the repository, or where nothing is."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), link))
    return None if path.startswith("..") or not (ROOT / path).exists() else path


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and linked files that lie outside docs/."""
    pages = [(page, (ROOT / page).read_text(encoding="utf-8")) for page in PAGES if (ROOT / page).exists()]
    pages += [(repository_path(file.src_uri), file.content_string) for file in files.documentation_pages()]
    wanted = {page for page in PAGES if (ROOT / page).exists()}
    for page, text in pages:
        wanted |= {target for _, link in _LINK.findall(text) if (target := _target(link, page))}
    for path in sorted(wanted):
        if (ROOT / path).is_file() and files.get_file_from_path(site_path(path)) is None:
            files.append(File.generated(config, site_path(path), abs_src_path=str(ROOT / path)))
    for path, content in _browser_files().items():
        given = {"content": content} if isinstance(content, str) else {"abs_src_path": str(content)}
        files.append(File.generated(config, f"{BROWSER}/{path}", **given))
    return files


def _browser_files() -> dict[str, Path | str]:
    """Files of the page that runs the models; without ONNX Runtime Web it only says what is missing."""
    try:
        runtime = find_runtime()
    except BackendError as error:
        _log.info("the page in the browser will not run: %s", error)
        runtime = None
    return page_files(runtime)


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Turn the links of a page from the checkout's paths into the site's."""
    own = repository_path(page.file.src_uri)
    folder = posixpath.dirname(page.file.src_uri)

    def turned(match: re.Match[str]) -> str:
        target = _target(match[2], own)
        if target is None or (target.startswith("docs/") and own.startswith("docs/")):
            return match[0]
        if (ROOT / target).is_dir():  # a folder has no page: show its name
            return match[0] if (ROOT / target / "README.md").exists() else f"{match[1]}#"
        return match[1] + posixpath.relpath(site_path(target), folder or ".")

    return _LINK.sub(turned, markdown)

"""Griffe extension: turn the markup of docstrings into Markdown.

``:class:`name``` becomes code, and lines that begin with ``>>>`` a code block; Markdown would make them a quotation. A
colon in a section "Returns" is escaped, because griffe takes what stands before it for a type.
"""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

_ROLE = re.compile(r":(?:class|func|meth|mod|attr|data|exc):`~?([^`]+)`")
_SESSION = re.compile(r"((?:^ *(?:>>>|\.\.\.) .*\n?)+)", re.MULTILINE)


_RETURNS = re.compile(r"(?<=^Returns:\n)(?:(?: .*)?\n?)+", re.MULTILINE)
_COLON = re.compile(r"(`[^`]*`)|:(?= |$)", re.MULTILINE)


def _escaped(section: re.Match[str]) -> str:
    return _COLON.sub(lambda found: found[1] or "&#58;", section[0])


def to_markdown(text: str) -> str:
    """Convert one docstring."""
    text = _RETURNS.sub(_escaped, text)
    return _SESSION.sub(r"\n```pycon\n\1\n```\n", _ROLE.sub(r"`\1`", text))


class DocstringMarkup(Extension):
    """Applied to every object that the API pages show."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = to_markdown(obj.docstring.value)

"""Extensions of GCC and Clang stand in few places of the C++ code, beside a form for Visual C++."""

from __future__ import annotations

import re
from pathlib import Path

CSRC = Path(__file__).parents[1] / "csrc"
_GNU = re.compile(r"__attribute__|__builtin_|__asm__|\b__int128\b|#pragma GCC|<cpuid\.h>|\btypeof\b")
_BESIDE_ANOTHER_FORM = {"common/hd.h", "cpu/x86_features.cpp", "hpe_edge.h", "capi/errors.h"}


def test_gnu_extensions_stand_beside_another_form() -> None:
    sources = [path for kind in ("*.h", "*.cpp") for path in sorted(CSRC.rglob(kind))]
    assert len(sources) > 50
    found = {
        path.relative_to(CSRC).as_posix(): text for path in sources if _GNU.search(text := path.read_text("utf-8"))
    }
    assert set(found) == _BESIDE_ANOTHER_FORM
    for name, text in found.items():
        assert re.search(r"_MSC_VER|__GNUC__|__MINGW32__", text), name

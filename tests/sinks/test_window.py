"""The window, on a display that only these tests see."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from fake_display import FakeDisplay
from media import noise

from hpe_edge.errors import OutputError
from hpe_edge.sinks.window import Window


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> FakeDisplay:
    return FakeDisplay(monkeypatch)


def test_the_newest_frame_is_shown_once(display: FakeDisplay) -> None:
    window = Window()
    assert not window.serve() and display.shown == []
    for seed in range(3):
        window.write_picture(None, noise(seed=seed))
    assert not window.serve() and not window.serve()
    assert len(display.shown) == 1
    np.testing.assert_array_equal(display.shown[0], noise(seed=2))
    window.finish()
    assert display.windows == 0


@pytest.mark.parametrize(("key", "ends"), [(ord("q"), True), (27, True), (27 | 0x100000, True), (ord("x"), False)])
def test_keys(display: FakeDisplay, key: int, ends: bool) -> None:
    display.key = key
    assert Window().serve() is ends


def test_closing_the_window_ends_the_run_but_not_before_it_was_shown(display: FakeDisplay) -> None:
    display.visible = 0.0
    window = Window()
    assert not window.serve()
    window.write_picture(None, noise())
    assert window.serve()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="displays are named otherwise there")
def test_no_display_is_an_error_and_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Qt aborts the process that asks for a window, so it must be another one."""
    monkeypatch.setenv("DISPLAY", ":4711")
    for name in ("WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(OutputError, match=r"--show needs a display"):
        Window()


def test_a_display_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def waits(arguments: list[str], **options: object) -> None:
        raise subprocess.TimeoutExpired(arguments, 30)

    monkeypatch.setattr(subprocess, "run", waits)
    with pytest.raises(OutputError, match="does not respond within 30 s"):
        Window()

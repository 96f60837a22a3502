"""The hot path and the loops of small control flows, counted by hand."""

from __future__ import annotations

from test_sass import NAME

from tools.kernel_model.hot_path import hot_path, is_word_load, loop_share
from tools.kernel_model.sass import Code, parse


def code_of(*lines: str) -> Code:
    shown = [f"//--- .text.{NAME} ---"]
    for at, line in enumerate(lines):
        shown.append(line if line.startswith(".") else f"        /*{16 * at:04x}*/    {line} ;")
    return parse("\n".join(shown), "sm_87")[0]


def test_the_path_with_the_most_words_is_taken_and_of_two_the_shorter() -> None:
    code = code_of(
        "MOV R1, R2",
        "@P0 BRA `(.L_x_2)",
        "@P1 BRA `(.L_x_1)",
        "LDG.E.CONSTANT R1, [R2.64]",
        "FADD R1, R1, R2",
        "FADD R1, R1, R2",
        "EXIT",
        ".L_x_1:",
        "LDG.E.CONSTANT R1, [R2.64]",
        "EXIT",
        ".L_x_2:",
        "LDG.E.U8.CONSTANT R1, [R2.64]",
        "EXIT",
    )
    assert hot_path(code, is_word_load) == {"MOV": 1, "BRA": 2, "LDG.E.CONSTANT": 1, "EXIT": 1}


def test_a_guarded_exit_goes_on() -> None:
    code = code_of("@P0 EXIT", "LDG.E.CONSTANT R1, [R2.64]", "EXIT")
    assert hot_path(code, is_word_load) == {"EXIT": 2, "LDG.E.CONSTANT": 1}


def test_a_loop_counts_once_and_is_shared_by_its_passes() -> None:
    code = code_of(
        "MOV R1, R2",
        ".L_x_1:",
        "LDG.E.CONSTANT R1, [R2.64]",
        "@P2 BRA `(.L_x_2)",
        "FADD R1, R1, R2",
        "FADD R1, R1, R2",
        "FADD R1, R1, R2",
        ".L_x_2:",
        "LDG.E.CONSTANT R1, [R2.64]",
        "@P0 BRA `(.L_x_1)",
        "EXIT",
    )
    assert hot_path(code, is_word_load) == {"MOV": 1, "BRA": 2, "LDG.E.CONSTANT": 2, "EXIT": 1}
    # Two passes of the loop, four instructions without the branch's other side.
    assert loop_share(code, is_word_load, 1) == 2
    assert loop_share(code, is_word_load, 3) == 0

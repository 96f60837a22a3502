"""_native.pyi says what the compiled module has: the same names, the same parameters, the same enum values."""

from __future__ import annotations

import ast
import re
from enum import Enum
from pathlib import Path

from hpe_edge.ops.native import native

STUB = ast.parse((Path(__file__).resolve().parents[2] / "hpe_edge" / "_native.pyi").read_text())


def stub_parameters(function: ast.FunctionDef) -> list[str]:
    return [a.arg for a in function.args.args + function.args.kwonlyargs]


def runtime_parameters(function: object) -> list[str]:
    """pybind11 puts the signature into the first line of the docstring."""
    line = str(function.__doc__).splitlines()[0]
    inner = line[line.index("(") + 1 : line.rindex(") ->")]
    depth, names, current = 0, [], ""
    for character in inner + ",":
        depth += (character in "[(") - (character in "])")
        if character == "," and depth == 0:
            names.append(re.split(r"[:=]", current)[0].strip())
            current = ""
        else:
            current += character
    return [n for n in names if n not in ("", "*", "/")]


def public(names: object) -> set[str]:
    return {n for n in names if not n.startswith("_")}


def test_the_module_has_the_stubs_names() -> None:
    stubbed = {n.name for n in STUB.body if isinstance(n, (ast.ClassDef, ast.FunctionDef))}
    stubbed |= {n.target.id for n in STUB.body if isinstance(n, ast.AnnAssign)}
    assert stubbed == public(dir(native))


def test_functions_and_methods_have_the_stubs_parameters() -> None:
    for node in STUB.body:
        if isinstance(node, ast.FunctionDef):
            assert runtime_parameters(getattr(native, node.name)) == stub_parameters(node), node.name
        if not isinstance(node, ast.ClassDef):
            continue
        cls = getattr(native, node.name)
        if issubclass(cls, Enum):
            values = {s.targets[0].id: s.value.value for s in node.body if isinstance(s, ast.Assign)}
            assert values == {m.name: m.value for m in cls}
            continue
        if issubclass(cls, Exception):
            continue
        members = [m for m in node.body if isinstance(m, ast.FunctionDef)]
        assert public(m.name for m in members) == public(dir(cls)), node.name
        for member in members:
            if not member.decorator_list:
                assert runtime_parameters(getattr(cls, member.name)) == stub_parameters(member), member.name

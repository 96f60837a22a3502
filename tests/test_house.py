"""The structure of the tree: rooms, layers, no import cycle, short import chains."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("hpe_edge", "export", "benchmarks")
LONGEST_CHAIN = 11
MOST_FILES = 12


@cache
def modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def imports(name: str, *, within_functions: bool) -> set[str]:
    """The project's modules that a module imports, for type checking too."""
    tree = ast.parse(modules()[name].read_text())
    found = set()
    for node in ast.walk(tree) if within_functions else at_top(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names if alias.name in modules())
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.update([full] if full in modules() else [node.module] if node.module in modules() else [])
    return found - {name}


def at_top(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes that are not within a function."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield child
            yield from at_top(child)


def longest_chain(graph: dict[str, set[str]]) -> list[str]:
    """The longest chain of imports; fails on a cycle."""
    done: dict[str, list[str]] = {}

    def chain(name: str, above: tuple[str, ...]) -> list[str]:
        assert name not in above, f"import cycle: {' > '.join((*above[above.index(name) :], name))}"
        if name not in done:
            below = (chain(each, (*above, name)) for each in sorted(graph[name]))
            done[name] = [name, *max(below, key=len, default=[])]
        return done[name]

    return max((chain(name, ()) for name in graph), key=len)


def room(name: str) -> str:
    """The folder that a module is in."""
    return name if modules()[name].name == "__init__.py" else name.rpartition(".")[0]


def test_no_import_cycle_even_within_functions() -> None:
    longest_chain({name: imports(name, within_functions=True) for name in modules()})


def test_import_chains_are_short() -> None:
    chain = longest_chain({name: imports(name, within_functions=False) for name in modules()})
    assert len(chain) <= LONGEST_CHAIN, " > ".join(chain)


def test_folders_are_small() -> None:
    counts = Counter(path.parent.relative_to(ROOT).as_posix() for path in modules().values())
    assert {folder: n for folder, n in counts.items() if n > MOST_FILES and folder != "export/zoo"} == {}


def test_module_names_are_unique_in_the_runtime() -> None:
    names = Counter(path.name for name, path in modules().items() if name.startswith("hpe_edge"))
    assert [name for name, n in names.items() if n > 1 and name != "__init__.py"] == []


def test_test_files_have_names_of_their_own() -> None:
    """Their folders are no packages, so pytest imports two of one name as one module."""
    names = Counter(
        path.name for path in (ROOT / "tests").rglob("*.py") if path.name not in ("__init__.py", "conftest.py")
    )
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize(("package", "may_import"), [("hpe_edge", 1), ("export", 2), ("benchmarks", 3)])
def test_packages_import_downwards_only(package: str, may_import: int) -> None:
    """hpe_edge imports neither of the others; its command line loads export's commands by name, on demand."""
    for name in modules():
        if name.partition(".")[0] == package:
            tops = {each.partition(".")[0] for each in imports(name, within_functions=True)}
            assert tops <= set(PACKAGES[:may_import]), name


def test_the_wheel_holds_the_runtime_and_export_alone() -> None:
    """Tests import packages from the checkout; what a wheel has must need none of the packages that it lacks."""
    listed = re.search(r"^wheel\.packages = (\[.*\])$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert listed is not None
    packages = ast.literal_eval(listed[1])
    assert packages == ["hpe_edge", "export"]
    only_here = {path.parent.name for path in ROOT.glob("*/*.py")} - set(packages)
    assert {"benchmarks", "tools", "tests"} <= only_here
    needed = [
        f"{name} imports {module}"
        for name, path in modules().items()
        if name.partition(".")[0] in packages
        for node in ast.walk(ast.parse(path.read_text()))
        for module in imported_names(node)
        if module.partition(".")[0] in only_here
    ]
    assert needed == []


def imported_names(node: ast.AST) -> list[str]:
    """The modules of an import statement."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module else []


def test_rooms_import_what_others_export() -> None:
    """A room's ``__all__`` names the modules that other rooms may use; the rest is private to it."""
    private = []
    for name in modules():
        for used in imports(name, within_functions=True):
            other = room(used)
            if used == other or other in PACKAGES or f"{name}.".startswith(f"{other}."):
                continue
            exported = ast.parse(modules()[other].read_text())
            if used.rpartition(".")[2] not in all_of(exported):
                private.append(f"{name} imports {used}")
    assert private == []


def test_docstrings_open_with_a_verb_or_a_noun() -> None:
    """No docstring is a question: it says what a thing is or does."""
    questions = ("What", "How", "Whether", "Where", "Who", "Whose", "Why", "When")
    found = []
    for package in (*PACKAGES, "tools", "tests", "docs", "examples"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                    first = (ast.get_docstring(node) or "-").split()[0]
                    found += [f"{path.relative_to(ROOT)}: {first}"] * (first in questions)
    assert found == []


def all_of(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return list(ast.literal_eval(node.value))
    return []

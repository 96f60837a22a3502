"""The mutants: each has its place in the source; a trial tells a fault that is noticed from one that is not."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tools.mutants.mutant import Mutant, Target
from tools.mutants.table import TARGETS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.module)
def test_every_mutant_is_a_change_of_the_source_as_it_is(target: Target) -> None:
    source = (ROOT / target.path).read_text(encoding="utf-8")
    mutated = [target.mutated(source, mutant) for mutant in target.mutants]
    assert len(set(mutated)) == len(mutated) and source not in mutated
    for text in mutated:
        ast.parse(text)
    assert all((ROOT / test).is_file() for test in target.tests)


def test_a_mutant_of_another_source_is_refused() -> None:
    target = Target("a.b", (), ())
    for source in ("", "x = 1; x = 1"):
        with pytest.raises(ValueError, match="change the mutant with the source"):
            target.mutated(source, Mutant("x = 1", "x = 2"))


TRIAL = """
import sys
from pathlib import Path
from tools.mutants.trial import run_trial
root = Path(sys.argv[1])
sys.path.insert(0, str(root))
for source in ("VALUE = 1", "VALUE = 2", "raise SystemExit(0)"):
    print(run_trial(root, "made_up", Path("made_up.py"), source, ["test_made_up.py"])[0])
"""


def test_a_trial_notices_what_the_tests_notice(tmp_path: Path) -> None:
    (tmp_path / "made_up.py").write_text("VALUE = 1\n")
    (tmp_path / "test_made_up.py").write_text("import made_up\ndef test_value(): assert made_up.VALUE == 1\n")
    command = [sys.executable, "-c", TRIAL, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["survived", "killed", "killed"]

"""Command ``python -m tools.mutants``: the share of small faults that the tests notice.

Exit status: 0 the share is reached, 1 it is not, or the tests fail without a fault, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.mutants.table import TARGETS
from tools.mutants.trial import load_libraries, run_trial

ROOT = Path(__file__).resolve().parents[2]
LEAST = 0.9  # share of the faults, without the equivalent ones


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    names = [target.module.rpartition(".")[2] for target in TARGETS]
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__)
    parser.add_argument("--only", choices=names, nargs="+", default=names, help="modules to take")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the fates to it")
    args = parser.parse_args(argv)
    load_libraries()
    fates: list[dict[str, str]] = []
    for name, target in zip(names, TARGETS, strict=True):
        if name not in args.only:
            continue
        source = (ROOT / target.path).read_text(encoding="utf-8")
        faulty = [target.mutated(source, mutant) for mutant in target.mutants]  # all, before any is run
        fate, seconds = run_trial(ROOT, target.module, target.path, source, target.tests)
        print(f"{name}: without a fault {'passed' if fate == 'survived' else 'FAILED'}, {seconds:.1f} s", flush=True)
        if fate != "survived":
            return 1
        for mutant, text in zip(target.mutants, faulty, strict=True):
            fate, _ = run_trial(ROOT, target.module, target.path, text, target.tests)
            noticed = "equivalent" if mutant.equivalent and fate == "survived" else fate
            fates.append({"module": name, "before": mutant.before, "after": mutant.after, "fate": noticed})
            if noticed == "survived":
                print(f"  SURVIVED  {mutant.before!r} -> {mutant.after!r}", flush=True)
    counted = [each for each in fates if each["fate"] != "equivalent"]
    killed = sum(each["fate"] != "survived" for each in counted)
    share = killed / max(len(counted), 1)
    print(f"mutants: {killed} of {len(counted)} noticed ({share:.0%}); {len(fates) - len(counted)} are equivalent")
    if args.json is not None:
        args.json.write_text(json.dumps({"noticed": killed, "counted": len(counted), "mutants": fates}, indent=1))
    return 0 if share >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())

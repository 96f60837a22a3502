"""Mutants of hpe_edge.spec."""

from __future__ import annotations

from tools.mutants.mutant import Mutant, Target

TARGET = Target(
    "hpe_edge.spec",
    ("tests/test_spec.py", "tests/test_spec_values.py"),
    (
        Mutant("MAX_BINS = 4096", "MAX_BINS = 8192"),
        Mutant("MAX_COLUMNS = 1 << 20", "MAX_COLUMNS = 1 << 21"),
        Mutant("MAX_MARGIN = 100.0", "MAX_MARGIN = 1000.0"),
        Mutant("MAX_WHOLE = 1 << 53", "MAX_WHOLE = 1 << 54"),
        Mutant("all(abs(margin) <= MAX_MARGIN", "all(margin <= MAX_MARGIN"),
        Mutant("self.margins[0] + self.margins[2] <= -1 or", "self.margins[0] + self.margins[2] < -1 or"),
        Mutant("or self.margins[1] + self.margins[3] <= -1:", "or self.margins[1] + self.margins[3] < -1:"),
        Mutant("self.margins[0] + self.margins[2] <= -1", "self.margins[0] + self.margins[1] <= -1"),
        Mutant("all(0 <= level <= 255", "all(level <= 255"),
        Mutant("all(0 <= level <= 255", "all(0 <= level <= 256"),
        Mutant("sides = (margins,) * 4 if isinstance(margins, (int, float)) else margins", "sides = margins"),
        Mutant("if type(self.size) is not int or", "if not isinstance(self.size, int) or"),
        Mutant("not 1 <= self.size <= 4096", "not 0 <= self.size <= 4096"),
        Mutant("not 1 <= self.size <= 4096", "not 1 <= self.size <= 5000"),
        Mutant('_check_choice("input.color"', '0 and _check_choice("input.color"'),
        Mutant('_check_choice("input.dtype"', '0 and _check_choice("input.dtype"'),
        Mutant("if self.scale <= 0 or", "if self.scale < 0 or"),
        Mutant("not all(s > 0 for s in self.std)", "not all(s >= 0 for s in self.std)"),
        Mutant("abs(mean) / std < 1e30", "mean / std < 1e30"),
        Mutant("self.scale / std < 1e30", "self.scale < 1e30"),
        Mutant('if self.dtype == "uint8" and', 'if self.dtype == "uint9" and'),
        Mutant(
            "if not 1 <= self.count <= MAX_BINS or self.step_deg == 0:",
            "if not 0 <= self.count <= MAX_BINS or self.step_deg == 0:",
        ),
        Mutant("<= MAX_BINS or self.step_deg == 0:", "<= MAX_BINS:"),
        Mutant(
            "math.isclose(abs(self.step_deg) * self.count, 360.0, rel_tol=1e-6)",
            "math.isclose(self.step_deg * self.count, 360.0, rel_tol=1e-6)",
        ),
        Mutant("360.0, rel_tol=1e-6)", "360.0, rel_tol=1e-2)"),
        Mutant("        if self.factor == 0:", "        if self.factor < 0:"),
        Mutant(
            "if not all(abs(sign) == 1 for sign in self.signs):", "if not all(abs(sign) <= 1 for sign in self.signs):"
        ),
        Mutant("all(1e-3 <= factor <= 1e3", "all(0 <= factor <= 1e3"),
        Mutant("all(1e-3 <= factor <= 1e3", "all(1e-3 <= factor <= 1e4"),
        Mutant("not 0 < self.limit_deg < math.inf", "not 0 <= self.limit_deg < math.inf"),
        Mutant("not 0 < self.limit_deg < math.inf", "not 0 < self.limit_deg <= math.inf"),
        Mutant("len(set(self.outputs)) != len(self.outputs)", "False"),
        Mutant("if head.output not in self.outputs:", "if False:"),
        Mutant("if self.sigma is not None and not isinstance(self.decode, BinsDecode):", "if False:"),
        Mutant("self.quantizations[-1].precision", "self.quantizations[0].precision"),
        Mutant("object_pairs_hook=_without_twins", "object_pairs_hook=dict"),
        Mutant("(ValueError, RecursionError) as error", "ValueError as error"),
        Mutant('type(plain.get("format")) is not int', 'not isinstance(plain.get("format"), (int, float))'),
        Mutant('if plain["format"] > newest:', 'if plain["format"] > newest + 1:'),
        Mutant('if plain["format"] < 1:', 'if plain["format"] < 0:'),
        Mutant("if len(values) != count or not all", "if not all"),
        Mutant("or not all(math.isfinite(v) for v in values)", ""),
        Mutant("object.__setattr__(owner, name, numbers)", "pass"),
        Mutant("if not 0 <= column < MAX_COLUMNS:", "if not column < MAX_COLUMNS:"),
        Mutant("if not 0 <= column < MAX_COLUMNS:", "if not 0 <= column <= MAX_COLUMNS:"),
        Mutant("isinstance(plain, (int, float)) and not isinstance(plain, bool)", "isinstance(plain, (int, float))"),
        Mutant(
            "isinstance(plain, (int, float)) and not isinstance(plain, bool)",
            "isinstance(plain, (int, float, str)) and not isinstance(plain, bool)",
        ),
        Mutant("_expect(abs(plain) < 1e300,", "_expect(plain == plain,"),
        Mutant(
            '_expect(type(plain) is int, where, "int", plain)', '_expect(isinstance(plain, int), where, "int", plain)'
        ),
        Mutant(
            "isinstance(plain, kind) and (kind is bool or not isinstance(plain, bool))",
            "isinstance(plain, kind)",
            "the kinds left are text and bool, and a bool is no text",
        ),
        Mutant('_expect(isinstance(plain, list), where, "a list", plain)', "plain = list(plain)"),
        Mutant("_expect(len(plain) == len(kinds)", "_expect(len(plain) >= len(kinds)"),
        Mutant('_expect(isinstance(plain, dict), where, "an object", plain)\n        return {name', "return {name"),
        Mutant(" if new not in plain}", "}"),
        Mutant("unknown = sorted(set(plain) - set(fields))", "unknown = []"),
        Mutant("missing = [name for name in required if name not in plain]", "missing = []"),
        Mutant("if not isinstance(kind, str) or kind not in kinds:", "if kind not in kinds:"),
        Mutant(
            "return None if plain is None else _from_plain(inner, plain, where)",
            "return _from_plain(inner, plain, where)",
        ),
    ),
)

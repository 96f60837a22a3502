"""Specs read by libhpe_edge against ModelSpec, and its JSON reader against Python's."""

from __future__ import annotations

import copy
import json
import math
import random
import re
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
import test_spec
from specs import SPECS

from benchmarks.c_interface.library import INVALID_SPEC, UPRIGHT, CError, Library
from export.edge.edge_info import EdgeInfo, FileSum, InputTensor, OutputTensor
from hpe_edge import ModelError, ModelSpec
from hpe_edge.backends.tensorrt.plan_file import EngineInfo
from hpe_edge.ops.decode import head_columns

REFUSED = [text for text, _ in test_spec.test_what_does_not_fit_is_refused.pytestmark[0].args[1]]

# Only here: UTF-8 cannot hold half of a pair, nor a C string a NUL; format 2 is for landmarks, which C does not give.
ONLY_HERE = re.compile(r"\\u(d[89a-f]|0000)|\"format\": 2\b", re.IGNORECASE)


def check_equal(library: Library, text: str, model: ModelSpec) -> None:
    spec = library.read_spec(text)
    info = spec.info
    assert info.architecture.decode() == model.architecture
    assert (info.input_name.decode(), info.input_size) == (model.input.name, model.input.size)
    assert spec.dtype == model.input.dtype
    assert UPRIGHT[info.upright] == model.upright
    assert tuple(info.margins) == model.crop.margins
    limit = None if model.sigma is None else model.sigma.limit_deg
    assert info.sigma_limit_deg == (math.inf if limit is None else limit)
    assert dict(spec.outputs) == head_columns(model)
    assert [name for name, _ in spec.outputs] == list(model.outputs)


@pytest.mark.parametrize("name", SPECS)
def test_specs_are_read_as_in_python(library: Library, name: str) -> None:
    for indent in (None, 2):
        check_equal(library, SPECS[name].to_json(indent), SPECS[name])
    ascii_only = json.dumps(json.loads(SPECS[name].to_json()), ensure_ascii=False)
    check_equal(library, ascii_only, SPECS[name])


@pytest.mark.parametrize("name", SPECS)
def test_the_description_beside_a_file_for_another_library(library: Library, name: str) -> None:
    spec = SPECS[name]
    outputs = tuple(OutputTensor(each, f"out{index}", 66) for index, each in enumerate(spec.outputs))
    image = InputTensor("in0", (1, 3, spec.input.size, spec.input.size))
    info = EdgeInfo(
        spec, "ncnn", "fp32", image, outputs, {"use_fp16_storage": False}, (FileSum("m.param", 3, "0" * 64),), "m", "0"
    )
    check_equal(library, info.to_json(), spec)


@pytest.mark.parametrize("name", SPECS)
def test_the_description_beside_an_engine(library: Library, name: str) -> None:
    info = EngineInfo(SPECS[name], "10.3.0", "Orin", "8.7", "fp16", (1, 4, 16), 1000, "0" * 64, "hpe-edge export trt")
    check_equal(library, info.to_json(), SPECS[name])
    for found, wanted in (('"format": 1', '"format": 2'), ('"architecture"', '"surprise"')):
        with pytest.raises(CError):
            library.read_spec(info.to_json().replace(found, wanted))


@pytest.mark.parametrize("text", REFUSED)
def test_specs_that_python_refuses(library: Library, text: str) -> None:
    with pytest.raises(CError) as failed:
        library.read_spec(text)
    assert failed.value.status == INVALID_SPEC and len(str(failed.value)) > 20


def test_names_of_earlier_versions(library: Library) -> None:
    plain = json.loads(SPECS["everything"].to_json())
    for step in plain["quantizations"]:
        step["numbers"] = step.pop("precision")
    plain["reductions"] = plain.pop("quantizations")
    check_equal(library, json.dumps(plain), SPECS["everything"])
    plain["quantizations"] = []
    with pytest.raises(CError, match="unknown field 'reductions'"):
        library.read_spec(json.dumps(plain))


def test_a_long_message_ends_with_a_whole_character(library: Library) -> None:
    text = json.dumps({**json.loads(SPECS["bins"].to_json()), "☃" * 2000: 1}, ensure_ascii=False)
    with pytest.raises(CError, match="unknown field '☃☃"):  # decoded strictly
        library.read_spec(text)


POOL = [
    None,
    True,
    False,
    0,
    1,
    -1,
    2.5,
    1e300,
    1e301,
    -1e-320,
    10**30,
    4096,
    4097,
    "",
    "logits",
    "RGB",
    "extend",
    "int8",
]
POOL += ["uint8", "second-pass", [], [0, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 0, 0], {}, {"a": "b"}, {"a": 1}]


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all values of a document."""
    found = [path] if path else []
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        found += places(value, (*path, key))
    return found


def mutated(plain: Any, rng: random.Random) -> Any:
    plain = copy.deepcopy(plain)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        path = rng.choice(places(plain))
        node = plain
        for key in path[:-1]:
            node = node[key]
        match rng.randrange(5):
            case 0:
                del node[path[-1]]
            case 1 if isinstance(node, dict):
                node[rng.choice(["surprise", "column", "limit_deg", "signs", "circular", "order"])] = copy.deepcopy(
                    rng.choice(POOL)
                )
            case 2 if isinstance(node[path[-1]], (int, float)):
                node[path[-1]] = node[path[-1]] * rng.choice([-1, 0, 2, 0.5, 1e6, 1e-6, 1e150])
            case _:
                node[path[-1]] = copy.deepcopy(rng.choice(POOL))
    return plain


def damaged(text: str, rng: random.Random) -> str:
    characters = list(text)
    for _ in range(rng.choice([1, 1, 2])):
        at = rng.randrange(len(characters))
        pieces = [
            '"',
            ",",
            "]",
            "}",
            "{",
            "1",
            "e9",
            "\\",
            "\\u00e9",
            "\\ud83d\\ude00",
            " ",
            "\t",
            "\x01",
            "-",
            "é",
            "NaN",
        ]
        characters[at : at + rng.randrange(3)] = [rng.choice(pieces)]
    return "".join(characters)


@pytest.mark.parametrize("seed", range(2))
def test_mutated_specs_are_accepted_and_refused_as_in_python(library: Library, seed: int) -> None:
    rng, accepted, refused = random.Random(seed), 0, 0
    for _ in range(1000):
        text = json.dumps(mutated(json.loads(rng.choice(list(SPECS.values())).to_json()), rng))
        if rng.random() < 0.3:
            text = damaged(text, rng)
        if ONLY_HERE.search(text):
            continue
        try:
            model = ModelSpec.from_json(text)
        except ModelError:
            refused += 1
            with pytest.raises(CError):
                library.read_spec(text)
                print(text)  # shown where it was accepted
        else:
            accepted += 1
            check_equal(library, text, model)
    assert accepted > 40 and refused > 300


# ---- the JSON reader by itself


def shown(value: Any) -> str:
    """The probe's form of a document that Python has read."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, Whole):
        return f"whole {hexadecimal(value.number)}"
    if isinstance(value, float):
        return hexadecimal(value)
    if isinstance(value, str):
        return f'"{value.encode().hex()}"'
    if isinstance(value, list):
        return f"[{','.join(map(shown, value))}]"
    return "{" + ",".join(f"{shown(name)}:{shown(each)}" for name, each in value.items()) + "}"


class Whole:
    """A whole number, as a double."""

    def __init__(self, text: str) -> None:
        try:
            self.number = math.copysign(float(abs(int(text))), -1 if text.startswith("-") else 1)
        except OverflowError:
            self.number = -math.inf if text.startswith("-") else math.inf


def hexadecimal(number: float) -> str:
    """A double's bits, whatever form a C library's %a has."""
    return struct.pack(">d", number).hex()


def probed(line: str) -> str:
    """The probe's line with its %a numbers as bits."""
    return re.sub(r"-?(0x[0-9a-f.]+p[+-]?\d+|inf)", lambda m: hexadecimal(float.fromhex(m[0])), line)


def read_in_python(text: str) -> str:
    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(found)) != len(found):
            raise ValueError
        return dict(found)

    def constant(_: str) -> None:
        raise ValueError

    try:
        return shown(json.loads(text, object_pairs_hook=pairs, parse_int=Whole, parse_constant=constant))
    except (ValueError, UnicodeEncodeError):
        return "refused"


def probe(programs: Path, texts: list[bytes]) -> list[str]:
    fed = b"".join(b"%d\n%s" % (len(text), text) for text in texts)
    done = subprocess.run([programs / "json_probe"], input=fed, capture_output=True, check=True)
    return [probed(line) for line in done.stdout.decode().splitlines()]


def random_json(rng: random.Random, depth: int = 0) -> str:
    space = rng.choice(["", "", " ", "\n\t"])
    kind = rng.randrange(8 if depth < 4 else 6)
    if kind == 0:
        return rng.choice(["null", "true", "false"])
    if kind in (1, 2):
        whole = rng.choice(["0", "7", str(rng.getrandbits(rng.randrange(1, 80))), str(10 ** rng.randrange(400))])
        fraction = rng.choice(["", "", f".{rng.getrandbits(rng.randrange(1, 70))}", ".0"])
        exponent = rng.choice(["", "", f"e{rng.randrange(-400, 400)}", "E+5", "e-007"])
        return rng.choice(["", "-"]) + whole + fraction + exponent
    if kind in (3, 4, 5):
        pieces = ["a", "é", "☃", "😀", "\\n", "\\\\", '\\"', "\\/", "\\u00e9", "\\uD83D\\uDE00", "\\u2603", " ", "\x7f"]
        return '"' + "".join(rng.choices(pieces, k=rng.randrange(6))) + '"'
    inner = [random_json(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind == 6:
        return "[" + space + f"{space},{space}".join(inner) + space + "]"
    return "{" + ",".join(f'{space}"{rng.choice("abcdé")}"{space}:{space}{each}' for each in inner) + space + "}"


@pytest.mark.parametrize("seed", range(2))
def test_json_is_read_as_in_python(programs: Path, seed: int) -> None:
    rng = random.Random(seed)
    texts = [random_json(rng) for _ in range(1500)]
    texts += [damaged(text, rng) for text in texts]
    texts = [text for text in texts if not re.search(r"\\u[dD][89a-fA-F]", text) or read_in_python(text) != "refused"]
    wanted = [read_in_python(text) for text in texts]
    found = probe(programs, [text.encode() for text in texts])
    different = [(text, a, b) for text, a, b in zip(texts, wanted, found, strict=True) if a != b]
    assert different == []
    refused = wanted.count("refused")
    assert 200 < refused < len(texts) - 1000


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"\xef\xbb\xbf{}",  # a byte order mark
        b'"\xff"',
        b'"\xc0\xaf"',  # an overlong slash
        b'"\xed\xa0\x80"',  # a surrogate
        b'"\xf4\x90\x80\x80"',  # beyond the last character
        b'"\xe2\x98"',
        b'"\xe2\x98',
        b'"\\ud83d"',
        b'"\\ud83d\\u0041"',
        b'"\\ude00"',
        b'"\\u12"',
        b'"\\x41"',
        b"[1,]",
        b'{"a":1,}',
        b'{"a":1,"\\u0061":2}',
        b"{1:2}",
        b"01",
        b"1.",
        b".5",
        b"+1",
        b"-",
        b"1e",
        b"0x10",
        b"NaN",
        b"-Infinity",
        b"nul",
        b"nullx",
        b"[1] 2",
        b"[" * 100 + b"]" * 100,
        b"[" * 1_000_000,
        b"1" * 4301,
        b"null\0",
    ],
)
def test_what_is_not_json_is_refused(programs: Path, text: bytes) -> None:
    assert probe(programs, [text]) == ["refused"]


def test_random_bytes_do_no_harm(programs: Path) -> None:
    rng = random.Random(5)
    base = SPECS["everything"].to_json().encode()
    texts = []
    for _ in range(2000):
        data = bytearray(base)
        for _ in range(rng.randrange(1, 5)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        texts.append(bytes(data[: rng.randrange(len(data))]) if rng.random() < 0.5 else bytes(data))
    found = probe(programs, texts)
    assert len(found) == 2000
    for text, line in zip(texts, found, strict=True):
        try:
            decoded = text.decode()
        except UnicodeDecodeError:
            assert line == "refused"
        else:
            assert line == read_in_python(decoded) or ONLY_HERE.search(decoded)

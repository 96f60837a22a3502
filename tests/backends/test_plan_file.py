"""Descriptions beside engines whose numbers no library holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_model import tiny_spec

from hpe_edge.backends.tensorrt.plan_file import EngineInfo, digest, read_info, sidecar
from hpe_edge.errors import ModelError

INFO = EngineInfo(
    spec=tiny_spec(),
    tensorrt="10.3.0",
    gpu="Orin",
    compute_capability="8.7",
    precision="fp16",
    profile=(1, 4, 16),
    plan_bytes=4,
    plan_sha256=digest(b"plan"),
    rebuild="hpe-edge export trt",
)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("plan_bytes", 10**400),
        ("plan_bytes", 1 << 53),
        ("plan_bytes", -1),
        ("profile", [1, 4, 4097]),
        ("profile", [1, 4, 10**30]),
        ("profile", [0, 4, 16]),
        ("memory_mb", 10**400),
        ("multiprocessors", 10**400),
        ("dla_core", 10**400),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_numbers_that_cannot_be_are_refused_in_words(tmp_path: Path, field: str, value: object) -> None:
    path = tmp_path / "e.engine"
    path.write_bytes(b"plan")
    sidecar(path).write_text(INFO.to_json())
    assert read_info(path) == INFO
    plain = json.loads(INFO.to_json())
    sidecar(path).write_text(json.dumps(plain | {field: value}))
    with pytest.raises(ModelError, match=field) as caught:
        read_info(path)
    assert len(str(caught.value)) < 600

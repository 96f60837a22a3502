"""Objects allowed beside the weights, objects refused, and nothing that runs unless --trust says so."""

from __future__ import annotations

import argparse
import collections
import pickle
import sys
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import PosixPath

import numpy as np
import pytest
import torch
from torch import nn
from torch_files import SMALL, Payload, saved

from export.checkpoints.load import load_checkpoint
from hpe_edge.errors import ModelError, OutputError

SCALAR = np.float64(0).__reduce__()[0]  # NumPy's functions that pickles name
RECONSTRUCT, EMPTY = np.zeros(1).__reduce__()[:2]
FORMS = {
    "zip": lambda value: saved(value),
    "legacy": lambda value: saved(value, _use_new_zipfile_serialization=False),
    # NumPy 1 and Python 3.13 have the same under other names.
    "renamed": lambda value: (
        saved(value, _use_new_zipfile_serialization=False)
        .replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
        .replace(b"cpathlib\n", b"cpathlib._local\n")
    ),
}


def losses() -> collections.defaultdict[str, list[float]]:
    history: collections.defaultdict[str, list[float]] = collections.defaultdict(list)
    history["train"].append(0.5)
    return history


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "beside",
    [
        [np.float64(0.1), np.float32(0.1), np.int64(3), np.bool_(True), np.str_("adam"), np.datetime64("2020-08-08")],
        [np.arange(6.0).reshape(2, 3), np.random.RandomState(0).get_state()],
        argparse.Namespace(lr=0.1, data=PosixPath("a/b"), bins=np.arange(3), deeper=argparse.Namespace(x=1)),
        losses(),
        collections.deque([1.0, 2.0], maxlen=5),
    ],
    ids=["scalars", "arrays", "Namespace", "defaultdict", "deque"],
)
def test_training_state_beside_the_weights_is_let_through(tmp_path, beside, form):
    path = tmp_path / "w.ckpt"
    path.write_bytes(FORMS[form]({"args": beside, "model": SMALL}))
    checkpoint = load_checkpoint(path)
    assert torch.equal(checkpoint.state["conv.weight"], SMALL["conv.weight"])
    assert checkpoint.notes == ("weights found under 'model'",)


def test_hyperparameters_of_lightning_are_let_through(tmp_path, monkeypatch):
    module = types.ModuleType("pytorch_lightning.utilities.parsing")
    module.AttributeDict = type("AttributeDict", (dict,), {"__module__": module.__name__})
    for name in ("pytorch_lightning", "pytorch_lightning.utilities", module.__name__):
        monkeypatch.setitem(sys.modules, name, module)
    content = saved({"hyper_parameters": module.AttributeDict(lr=0.1), "state_dict": SMALL})
    monkeypatch.undo()  # it is read where Lightning is not installed
    (tmp_path / "last.ckpt").write_bytes(content)
    assert list(load_checkpoint(tmp_path / "last.ckpt").state) == list(SMALL)


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle2", "pickle4", "wrapped", "in a Namespace", "protocol 4"])
def test_code_in_a_file_is_refused_and_not_run(tmp_path, form):
    proof = tmp_path / "executed"
    payload = Payload(proof)
    content = {
        "zip": lambda: saved(payload),
        "legacy": lambda: saved(payload, _use_new_zipfile_serialization=False),
        "pickle2": lambda: pickle.dumps(payload, 2),
        "pickle4": lambda: pickle.dumps(payload, 4),
        "wrapped": lambda: saved({"state_dict": SMALL, "epoch": payload}),
        "in a Namespace": lambda: saved({"state_dict": SMALL, "args": argparse.Namespace(x=payload)}),
        "protocol 4": lambda: saved({"state_dict": SMALL, "epoch": payload}, pickle_protocol=4),
    }[form]()
    path = tmp_path / "evil.pkl"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"was refused, and nothing in it was run.*--trust, which runs the code in it"):
        load_checkpoint(path)
    assert not proof.exists()
    load_or_fail(path)
    assert proof.exists()  # the payload does work where a file is trusted


def load_or_fail(path):
    try:
        load_checkpoint(path, trust=True)
    except ModelError as error:
        assert "holds no state dict" in str(error)


class Call:
    """Unpickling it calls a function, and may set a state on what that gave."""

    def __init__(self, function, *args, state=None):
        self.function, self.args, self.state = function, args, state

    def __reduce__(self):
        return self.function, self.args, self.state


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["scalar", "array", "structured", "nested dtype"])
def test_python_objects_within_numpy_ones_are_refused(tmp_path, kind, form):
    proof = tmp_path / "executed"
    inner = pickle.dumps(Payload(proof), 2)
    objects = np.dtype("O")
    record = np.dtype([("x", objects)])
    value = {
        "scalar": lambda: Call(SCALAR, objects, inner),
        "array": lambda: Call(RECONSTRUCT, *EMPTY, state=(1, (1,), objects, False, [inner])),
        "structured": lambda: np.zeros(1, record),
        "nested dtype": lambda: record,
    }[kind]()
    path = tmp_path / "evil.ckpt"
    path.write_bytes(FORMS[form]({"model": SMALL, "loss": value}))
    with pytest.raises(ModelError, match=r"was refused, and nothing in it was run.*numpy\.dtype"):
        load_checkpoint(path)
    assert not proof.exists()


@pytest.mark.parametrize("form", FORMS)
def test_bytes_given_to_numpy_are_not_unpickled(tmp_path, form):
    proof = tmp_path / "executed"
    inner = pickle.dumps(Payload(proof), 2)
    path = tmp_path / "evil.ckpt"
    scalar = Call(SCALAR, np.dtype("f8"), inner)
    array = Call(RECONSTRUCT, *EMPTY, state=inner)
    path.write_bytes(FORMS[form]({"model": SMALL, "loss": [scalar, array]}))
    assert list(load_checkpoint(path).state) == list(SMALL)
    assert not proof.exists()


def test_what_stands_near_the_names_that_are_let_through_is_refused(tmp_path):
    path = tmp_path / "evil.ckpt"
    for trick, name in (
        (Call(getattr, argparse.Namespace, "__init__"), "getattr"),
        (Call(argparse.FileType, "w"), r"argparse\.FileType"),
        (Call(np.fromfile, "/etc/hostname"), r"numpy\.fromfile"),
        (Call(eval, "1"), "eval"),
    ):
        path.write_bytes(saved({"model": SMALL, "args": trick}))
        with pytest.raises(ModelError, match=rf"was refused, and nothing in it was run.*asks for {name}\)"):
            load_checkpoint(path)


@pytest.mark.parametrize(
    ("value", "asked_for"),
    [
        (nn.Sequential(nn.Linear(2, 2)), r"torch\.nn\.modules\.container\.Sequential"),
        ({"model": nn.Linear(2, 2), "epoch": 1}, r"torch\.nn\.modules\.linear\.Linear"),
    ],
)
@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_a_whole_model_needs_trust(tmp_path, value, asked_for, form):
    path = tmp_path / "whole.pt"
    path.write_bytes(FORMS[form](value))
    with pytest.raises(ModelError, match=f"asks for {asked_for}.*--trust"):
        load_checkpoint(path)
    net = value["model"] if isinstance(value, dict) else value
    checkpoint = load_checkpoint(path, trust=True)
    assert list(checkpoint.state) == list(net.state_dict())
    for key, tensor in net.state_dict().items():
        assert torch.equal(checkpoint.state[key], tensor)
    assert not any(tensor.requires_grad for tensor in checkpoint.state.values())
    assert checkpoint.notes[0] == "--trust: the file was refused at first, and the code in it was run"


def test_a_bare_pickle_needs_trust(tmp_path):
    path = tmp_path / "w.pkl"
    path.write_bytes(pickle.dumps({"state_dict": SMALL}))
    with pytest.raises(ModelError, match=r"is a pickle, which can hold code.*--trust"):
        load_checkpoint(path)
    assert list(load_checkpoint(path, trust=True).state) == list(SMALL)


def test_a_protocol_that_is_not_read_safely_needs_trust(tmp_path):
    path = tmp_path / "w.pth"
    path.write_bytes(saved(SMALL, pickle_protocol=4))
    with pytest.raises(ModelError, match=r"holds more than tensors, or it is damaged.*--trust"):
        load_checkpoint(path)
    assert list(load_checkpoint(path, trust=True).state) == list(SMALL)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch is phasing out what needs trust here
def test_torchscript_needs_trust(tmp_path):
    path = tmp_path / "script.pt"
    net = nn.Linear(2, 2)
    torch.jit.save(torch.jit.trace(net, torch.zeros(1, 2)), str(path))
    with pytest.raises(ModelError, match=r"TorchScript archive, which holds code.*--trust"):
        load_checkpoint(path)
    assert torch.equal(load_checkpoint(path, trust=True).state["weight"], net.weight.detach())


def test_trust_is_not_used_where_it_is_not_needed(tmp_path, monkeypatch):
    def run(*args: object, **options: object) -> None:
        raise AssertionError("the file's code was run")

    path = tmp_path / "w.pth"
    path.write_bytes(saved(SMALL))
    monkeypatch.setattr(pickle, "Unpickler", run)
    assert load_checkpoint(path, trust=True).notes == ("--trust was not needed: nothing in the file was run",)


def test_trust_does_not_make_up_for_damage(tmp_path):
    path = tmp_path / "w.pth"
    path.write_bytes(saved(nn.Linear(2, 2))[:-40])
    with pytest.raises(ModelError, match="truncated or of another kind"):
        load_checkpoint(path, trust=True)


def test_code_that_is_not_here_is_named(tmp_path, monkeypatch):
    module = types.ModuleType("models_of_old")
    module.Net = type("Net", (nn.Linear,), {"__module__": module.__name__})
    monkeypatch.setitem(sys.modules, module.__name__, module)
    (tmp_path / "whole.pt").write_bytes(saved(module.Net(2, 2)))
    del module.Net
    with pytest.raises(ModelError, match=r"code that is missing \(.*Net.*PYTHONPATH"):
        load_checkpoint(tmp_path / "whole.pt", trust=True)
    monkeypatch.undo()
    with pytest.raises(ModelError, match=r"code that is missing \(No module named 'models_of_old'\).*PYTHONPATH"):
        load_checkpoint(tmp_path / "whole.pt", trust=True)


def test_code_that_fails_is_told(tmp_path):
    (tmp_path / "w.pkl").write_bytes(pickle.dumps(Call(int, "many")))
    with pytest.raises(ModelError, match=r"not even by running the code in it \(ValueError: invalid literal"):
        load_checkpoint(tmp_path / "w.pkl", trust=True)


def raise_(error: BaseException) -> None:
    raise error


class GettingOut(BaseException):
    """As little an Exception as SystemExit is."""


@pytest.mark.parametrize("error", [SystemExit(0), SystemExit("bye"), GettingOut()], ids=repr)
def test_code_that_would_end_the_process_is_reported(tmp_path, error):
    (tmp_path / "w.pth").write_bytes(saved({"state_dict": SMALL, "x": Call(raise_, error)}))
    with pytest.raises(ModelError, match=type(error).__name__):
        load_checkpoint(tmp_path / "w.pth", trust=True)


class EndsWhenLookedAt(nn.Module):
    def state_dict(self, *args: object, **options: object) -> dict[str, object]:
        sys.exit(0)


def test_objects_that_would_end_the_process_are_reported(tmp_path):
    (tmp_path / "w.pth").write_bytes(saved({"model": EndsWhenLookedAt()}))
    with pytest.raises(ModelError, match="SystemExit"):
        load_checkpoint(tmp_path / "w.pth", trust=True)


def test_another_thread_can_read_a_trusted_file(tmp_path):
    (tmp_path / "w.pkl").write_bytes(pickle.dumps({"state_dict": SMALL}))
    with ThreadPoolExecutor() as pool:
        assert list(pool.submit(load_checkpoint, tmp_path / "w.pkl", trust=True).result().state) == list(SMALL)


def test_it_is_reported_before_code_is_run(tmp_path):
    proof = tmp_path / "executed"
    (tmp_path / "w.pkl").write_bytes(pickle.dumps(Payload(proof)))
    stages = []

    def report(stage: str, lines: list[str]) -> None:
        stages.append((stage, proof.exists()))

    with pytest.raises(ModelError, match="holds no state dict"):
        load_checkpoint(tmp_path / "w.pkl", trust=True, report=report)
    assert stages == [("trusted", False)]
    assert proof.exists()


def test_nothing_is_reported_where_no_code_is_run(tmp_path):
    (tmp_path / "w.pth").write_bytes(saved(SMALL))
    (tmp_path / "damaged.pth").write_bytes(saved(SMALL)[:-40])
    stages = []
    load_checkpoint(tmp_path / "w.pth", trust=True, report=lambda stage, lines: stages.append(stage))
    with pytest.raises(ModelError):
        load_checkpoint(tmp_path / "damaged.pth", trust=True, report=lambda stage, lines: stages.append(stage))
    assert stages == []


def test_no_code_is_run_where_that_cannot_be_reported(tmp_path):
    proof = tmp_path / "executed"
    (tmp_path / "w.pkl").write_bytes(pickle.dumps(Payload(proof)))

    def full(stage: str, lines: list[str]) -> None:
        raise OutputError("no space")

    with pytest.raises(OutputError):
        load_checkpoint(tmp_path / "w.pkl", trust=True, report=full)
    assert not proof.exists()

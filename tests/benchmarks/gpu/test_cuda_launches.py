"""The suite ``cuda`` on the doubles, torch's and CuPy's chains on the CPU. No time here says anything of a GPU."""

from __future__ import annotations

import contextlib
import json
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
from fake_cuda import FakeCuda
from fake_launches import FakeLaunches

import benchmarks.gpu.cuda_launches
import benchmarks.gpu.gpu
import benchmarks.gpu.gpu_crops
import benchmarks.gpu.graph_clock
from benchmarks.__main__ import main
from benchmarks.gpu.cuda_launches import FLOAT_PLACES, ROUNDING
from benchmarks.gpu.gpu import Gpu
from benchmarks.gpu.gpu_chains import CupyMap, Libraries, TorchDecode, TorchFaces, TorchGrid
from benchmarks.gpu.gpu_crops import CropWork, Picture, frame_bytes_read, picture, ring
from benchmarks.inputs.answers import SAME_FORMULA
from benchmarks.inputs.scene import BINS
from hpe_edge.ops.native import native


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    return FakeCuda().install(monkeypatch)


@pytest.fixture
def launches(cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch) -> FakeLaunches:
    fake = FakeLaunches(cuda).install(monkeypatch)
    probe = native.probe_cuda
    monkeypatch.setattr(probe, "runtime_version", 13000, raising=False)
    return fake


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quick run of the suite with emulated launches."""
    monkeypatch.setattr(benchmarks.gpu.gpu, "COPY_BYTES", 1000)
    monkeypatch.setattr(benchmarks.gpu.gpu_crops, "FRAMES", {"small": (192, 108)})
    monkeypatch.setattr(benchmarks.gpu.cuda_launches, "FRAMES", {"small": (192, 108)})
    for module in (benchmarks.gpu.gpu_crops, benchmarks.gpu.graph_clock):
        monkeypatch.setattr(module, "MOST_IN_RING", 2)
    monkeypatch.setattr(benchmarks.gpu.graph_clock, "CALLS", 2)
    monkeypatch.setattr(benchmarks.gpu.graph_clock, "FEWEST_CALLS", 2)
    for name, value in (("SIZES", (12,)), ("FACES", (16,)), ("DECODED_FACES", (2,))):
        monkeypatch.setattr(benchmarks.gpu.cuda_launches, name, value)
    monkeypatch.setattr(benchmarks.gpu.cuda_launches, "SENT_FACES", (1,))
    monkeypatch.setattr(benchmarks.gpu.cuda_launches, "FLOOR_FACES", 16)


def test_the_suite_on_the_double(cuda: FakeCuda, launches: FakeLaunches, tmp_path: Path) -> None:
    path = tmp_path / "gpu.json"
    assert main(["cuda", "--quick", "--json", str(path)]) == 0
    document = json.loads(path.read_text())
    gpu, *results = document["results"]
    assert gpu["parameters"]["gpu"] == "Fake GPU"
    assert gpu["parameters"]["compute_capability"] == "8.7"
    assert gpu["parameters"]["cuda_of_driver"] == "12.4"
    assert gpu["parameters"]["cuda_of_build"] == "13.0"
    assert gpu["parameters"]["driver"]
    assert gpu["figures"]["copy_gb_per_s"] > 0
    crops = [result for result in results if result["name"] == "crop"]
    # 1 frame, 1 size, 1 number of faces, 2 resamplings, 2 types, 2 clocks.
    assert len(crops) == 8
    assert {crop["parameters"]["timed"] for crop in crops} == {"in a graph", "one by one"}
    for crop in crops:
        parameters, figures = crop["parameters"], crop["figures"]
        written = parameters["faces"] * 3 * 12 * 12 * (4 if parameters["dtype"] == "float32" else 2)
        assert figures["moved_bytes"] == written + figures["of_them_read_bytes"]
        assert 0 < figures["of_them_read_bytes"] <= 192 * 108 * 3
        assert ("times_the_floor" in figures) == (parameters["timed"] == "in a graph")
        assert crop["rows"][0]["name"] == "hpe_edge"
        assert crop["rows"][0]["time_us"]["median"] > 0
        assert set(crop["skipped"]) | {row["name"].split()[0] for row in crop["rows"]} == {"hpe_edge", "torch", "cupy"}
    assert [result["parameters"]["faces"] for result in results if result["name"] == "decode"] == [2, 2]
    assert cuda.captures == 5 and cuda.launches > cuda.captures  # four crops and a decode were replayed
    sent = results[-1]
    assert [row["name"] for row in sent["rows"]] == ["crops sent", "frame sent", "crops' copy", "frame's copy"]
    assert sent["figures"] == {"crops_bytes": 4 * 3 * 112**2, "frame_bytes": 192 * 108 * 3}
    floor, launch, torch = document["budget"]
    assert "times the floor" in floor["limit"] and floor["met"] is not None
    assert "<= 10 us" in launch["limit"]
    assert torch["met"] is None and torch["found"] == "not measured"
    assert cuda.leaks() == {}
    assert set(launches.made) == {"boxes", "decode"}


class Hosted:
    """A library that takes the double's memory for its GPU's."""

    def __init__(self, library: Any, take: str, made: Any) -> None:
        self._library = library
        setattr(self, take, lambda given, **options: made(self._read(given)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)

    @staticmethod
    def _read(given: Any) -> np.ndarray:
        if isinstance(given, np.ndarray):
            return given
        told = dict(given.__cuda_array_interface__)
        return np.asarray(types.SimpleNamespace(__array_interface__=told))


def test_the_suite_beside_torch_and_cupy(
    cuda: FakeCuda, launches: FakeLaunches, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch")
    ndimage = pytest.importorskip("scipy.ndimage")
    libraries = Libraries(
        Hosted(torch, "as_tensor", torch.from_numpy),
        Hosted(np, "asarray", np.array),
        ndimage,
        {},
        "cpu",
        dict.fromkeys(("torch", "cupy"), lambda work, cleanup: work),
    )
    monkeypatch.setattr(benchmarks.gpu.cuda_launches, "find_libraries", lambda gpu, cleanup: libraries)
    monkeypatch.setattr(benchmarks.gpu.cuda_launches, "_on_host", np.asarray)
    monkeypatch.setattr(benchmarks.gpu.cuda_launches, "FACES", (2,))
    path = tmp_path / "gpu.json"
    assert main(["cuda", "--quick", "--json", str(path)]) == 0
    document = json.loads(path.read_text())
    gpu, *results = document["results"]
    assert (gpu["parameters"]["torch"], gpu["parameters"]["cupy"]) == (torch.__version__, np.__version__)
    for result in results:
        names = [row["name"] for row in result["rows"]]
        if result["name"] == "decode":
            assert names == ["hpe_edge", "torch"]
        elif result["name"] == "crop":
            bilinear = ["torch grid_sample", "cupy map_coordinates"]
            wanted = bilinear if result["parameters"]["resampling"] == "bilinear" else []
            assert names == ["hpe_edge", "torch interpolate", *wanted]
            assert result["skipped"] == {}
    assert document["budget"][2]["met"] is not None


@pytest.mark.parametrize(("operation", "wrong"), [("crop", 4), ("decode", 1), ("page-locked frame of the host's", 1)])
def test_wrong_answers_are_kept_and_fail_the_run(
    cuda: FakeCuda,
    launches: FakeLaunches,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    operation: str,
    wrong: int,
) -> None:
    get = Gpu.get

    def spoilt(self: Gpu, address: int, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        found = get(self, address, shape, dtype)
        # Each launch is further off, so that no two agree.
        if {"crop": len(shape) == 4 and shape[-1] == 12, "decode": shape == (2, 3)}.get(operation, shape[-1] == 112):
            found[-1] += 0.1 * launches.made.count("boxes" if operation != "decode" else "decode")
        return found

    monkeypatch.setattr(Gpu, "get", spoilt)
    path = tmp_path / "gpu.json"
    assert main(["cuda", "--quick", "--json", str(path)]) == 1
    document = json.loads(path.read_text())
    failed = [result for result in document["results"] if "case" in result["skipped"]]
    assert [result["name"] for result in failed] == [operation] * wrong
    assert all("nothing was timed" in result["skipped"]["case"] and not result["rows"] for result in failed)
    (part,) = document["parts"]
    assert part["failed"].startswith(f"{wrong} of 6 cases failed, the first: {operation} (")
    assert part["failed"] in capsys.readouterr().out
    # The others were measured.
    assert {result["name"] for result in document["results"] if result["rows"]} >= {"crop", "decode"} - {operation}
    assert cuda.leaks() == {}


def test_without_a_gpu(
    cuda: FakeCuda, launches: FakeLaunches, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(native, "probe_cuda", lambda: types.SimpleNamespace(reason="this build has no CUDA"))
    assert main(["cuda", "--quick"]) == 1
    assert "cannot launch on it (this build has no CUDA); `hpe-edge doctor`" in capsys.readouterr().err
    cuda.devices.clear()
    assert main(["cuda", "--quick"]) == 1
    assert "no working NVIDIA GPU here" in capsys.readouterr().err
    assert cuda.leaks() == {}


@pytest.mark.parametrize(
    ("window", "work", "pixels"),
    [
        ((10, 20, 50, 60), CropWork("small", 1, 40), 40 * 40),  # pixel by pixel
        ((10, 20, 50, 60), CropWork("small", 1, 112), 40 * 40),
        ((10, 20, 50, 60), CropWork("small", 1, 10), 20 * 20),  # two of every four columns and rows
        ((10, 20, 50, 60), CropWork("small", 1, 8), 8 * 8),  # samples on the middles of pixels
        ((10, 20, 50, 60), CropWork("small", 1, 10, "antialias"), 40 * 40),
    ],
)
def test_bytes_that_a_crop_needs(window: Any, work: CropWork, pixels: int) -> None:
    seen = Picture(np.zeros((108, 192, 3), np.uint8), [window])
    assert frame_bytes_read(seen, work) == 3 * pixels
    assert frame_bytes_read(Picture(seen.pixels, [window, window]), work) == 3 * pixels


def test_a_call_touches_what_the_last_one_did_not(cuda: FakeCuda, launches: FakeLaunches) -> None:
    with contextlib.ExitStack() as cleanup:
        gpu = Gpu(cleanup)
        seen = picture("small", 16)
        slots = ring(gpu, CropWork("small", 16, 12), seen, cleanup)
        first, second, third = (next(slots) for _ in range(3))
        assert first == third != second
        for slot in (first, second):
            np.testing.assert_array_equal(gpu.get(slot.pixels, seen.pixels.shape, np.uint8), seen.pixels)
        assert len({first.pixels, first.faces, first.out, second.pixels, second.faces, second.out}) == 6


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("size", [12, 40])
@pytest.mark.parametrize("antialias", [False, True])
def test_torch_chains_do_the_same(dtype: Any, size: int, antialias: bool) -> None:
    torch = pytest.importorskip("torch")
    work = CropWork("small", 5, size, "antialias" if antialias else "bilinear", dtype)
    seen = picture("small", 5)
    want = work.on_cpu()(seen.pixels, seen.boxes)
    chains: dict[Any, float] = {
        TorchFaces(torch, "cpu", dtype, seen.windows, size, antialias): SAME_FORMULA,
    }
    if not antialias:
        chains[TorchGrid(torch, "cpu", dtype, seen.windows, size, (192, 108))] = FLOAT_PLACES
    for chain, tolerance in chains.items():
        got = chain(torch.from_numpy(seen.pixels)).numpy()
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, atol=tolerance + ROUNDING[dtype])


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("size", [12, 40])
def test_the_cupy_chain_does_the_same(dtype: Any, size: int) -> None:
    """SciPy has the interface that CuPy follows."""
    ndimage = pytest.importorskip("scipy.ndimage")
    work, seen = CropWork("small", 5, size, dtype=dtype), picture("small", 5)
    got = CupyMap(np, ndimage, dtype, seen.windows, size)(seen.pixels)
    want = work.on_cpu()(seen.pixels, seen.boxes)
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want, atol=FLOAT_PLACES + ROUNDING[dtype])


def test_torch_decodes_the_same(rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    logits = rng.normal(0, 3, (4, 3 * BINS[2])).astype(np.float32)
    got = TorchDecode(torch, "cpu", *BINS)(torch.from_numpy(logits)).numpy()
    for head in range(3):
        want, _ = reference.decode_bins(logits[:, 66 * head : 66 * head + 66], BINS[0], BINS[1], False)
        np.testing.assert_allclose(got[:, head], want, atol=1e-3)

"""The double of cuda-bindings against the real package: the same names and arguments; and the real one on a machine
without a GPU.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from fake_cuda import FakeCuda

from benchmarks.gpu import gpu
from hpe_edge import BackendError
from hpe_edge.cuda import device as cuda
from hpe_edge.cuda import device as cuda_device

driver = pytest.importorskip("cuda.bindings.driver", reason="needs cuda-bindings")
runtime = pytest.importorskip("cuda.bindings.runtime", reason="needs cuda-bindings")


def test_the_double_has_the_real_arguments() -> None:
    fake = FakeCuda()
    for mine, real in ((fake.driver, driver), (fake.runtime, runtime)):
        for name, function in vars(mine).items():
            if inspect.isfunction(function):
                wanted = list(inspect.signature(getattr(real, name)).parameters)
                assert list(inspect.signature(function).parameters) == wanted, name


def test_every_name_that_is_used_is_real() -> None:
    text = "".join(Path(module.__file__).read_text() for module in (cuda, gpu))
    used = set(re.findall(r"\b(?:rt|driver)((?:\.\w+)+)", text))
    assert len(used) > 20
    for path in sorted(used):
        owner, name = None, ""
        for module in (driver, runtime):
            if hasattr(module, path.split(".")[1]):
                owner = module
        for name in path.split(".")[1:]:
            assert hasattr(owner, name), path
            owner = getattr(owner, name)
    for name in ("COMPUTE_CAPABILITY_MAJOR", "COMPUTE_CAPABILITY_MINOR", "INTEGRATED", "MULTIPROCESSOR_COUNT"):
        assert hasattr(driver.CUdevice_attribute, f"CU_DEVICE_ATTRIBUTE_{name}")
    assert driver.CUresult.CUDA_ERROR_OUT_OF_MEMORY.name in cuda_device._MEMORY
    assert runtime.cudaError_t.cudaErrorMemoryAllocation.name in cuda_device._MEMORY
    assert int(driver.CUcontext(0)) == 0 and int(driver.CUresult.CUDA_SUCCESS) == 0


def test_a_machine_without_a_gpu_is_told() -> None:
    try:
        working = int(driver.cuInit(0)[0]) == 0
    except Exception:  # there is no driver at all
        working = False
    if working:
        pytest.skip("there is a GPU here")
    with pytest.raises(BackendError, match="no working NVIDIA GPU here"):
        cuda.Device(0)

"""The doctor: on machines that are made up, on this one, and with a driver library built for the test."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import made_up_machine as made_up
import pytest
from made_up_machine import MadeUpMachine

import hpe_edge
from hpe_edge.cli.main import main
from hpe_edge.doctor.abilities import Ability, abilities
from hpe_edge.doctor.lacks import Findings
from hpe_edge.doctor.machine import ThisMachine, parse_trial
from hpe_edge.doctor.report import Examination, examine, look
from hpe_edge.doctor.trials import describe_opencv

TRIALS = Path(hpe_edge.__file__).parent / "doctor" / "trials.py"
ALL = [
    made_up.bare_server,
    made_up.desktop,
    made_up.jetson_orin,
    made_up.broken_driver,
    made_up.both_onnx_runtimes,
    made_up.no_cuda_libraries,
]
EMBEDDED, CPU, OPENVINO, CUDA, ORT_TENSORRT = (
    "pose faces with the embedded models",
    "run ONNX models on the CPU",
    "run models with OpenVINO",
    "run models on a GPU with CUDA",
    "run models with TensorRT in ONNX Runtime",
)
KERNELS = "crop faces on a GPU"
RUN_ENGINES, BUILD_ENGINES, CONVERT = "run TensorRT engines", "build TensorRT engines", "convert checkpoints"
WINDOW, GSTREAMER, PAGE = "show a window", "read GStreamer pipelines", "show a live page in a browser"


def examined(machine: MadeUpMachine) -> tuple[Findings, dict[str, Ability]]:
    has = look(machine)
    return has, {ability.name: ability for ability in abilities(has)}


def advice(ability: Ability) -> str:
    return "\n".join("\n".join((lack.why, *lack.todo)) for lack in ability.lacks)


def test_desktop_with_everything() -> None:
    has, can = examined(made_up.desktop())
    assert [name for name, ability in can.items() if not ability.able] == [GSTREAMER]
    assert has["gpu"].text == (
        "NVIDIA GeForce RTX 4090 (compute capability 8.9, 24 GB); driver 570.133.07, which supports CUDA up to 12.8"
    )
    assert has["tensorrt"].facts["version"] == "10.9.0.34" and has["jetson"].status == "missing"
    assert has["openvino"].text == "openvino 2025.3.0, on CPU (fp32); GPU (fp32, fp16)"
    assert has["cudnn"].text == "libcudnn.so.9, nvidia-cudnn-cu12 9.8.0.87"
    assert has["cuda"].text == "libcudart.so.12, compiler nvcc 12.8"


@pytest.mark.parametrize(
    ("cached", "variables", "text"),
    [
        ((), {}, "yunet, scrfd not fetched yet"),
        (("yunet",), {}, "yunet in the cache; scrfd not fetched yet"),
        (("yunet",), {"HPE_EDGE_OFFLINE": "1"}, "yunet in the cache; scrfd cannot be fetched: HPE_EDGE_OFFLINE is set"),
        (("yunet", "scrfd"), {"HPE_EDGE_OFFLINE": "1"}, "yunet, scrfd in the cache"),
    ],
)
def test_detectors_in_the_cache(cached: tuple[str, ...], variables: dict[str, str], text: str) -> None:
    machine = made_up.bare_server()
    machine.cached, machine.variables = cached, {**machine.variables, **variables}
    found = examined(machine)[0]["detectors"]
    assert found.text == f"face-detector embedded; {text}" and found.found == (len(cached) == 2)
    assert found.facts["cached"] == list(cached)


def test_jetson_as_it_comes() -> None:
    has, can = examined(made_up.jetson_orin())
    assert has["jetson"].facts == {
        "model": "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super",
        "l4t": "36.4.3",
        "jetpack": "6.2.1+b38",
        "power_mode": "25W",
        "cuda": "12.6",
        "tensorrt": "10.3",
        "python": "3.10",
    }
    assert "made for CUDA 12.6, TensorRT 10.3, Python 3.10" in has["jetson"].text
    assert "shares the host's memory" in has["gpu"].text and has["processor"].text == "aarch64, 8 cores"
    assert has["tensorrt"].status == "broken" and "libnvinfer.so.10 (10.3.0.30-1+cuda12.5)" in has["tensorrt"].text
    assert can[CPU].able and can[GSTREAMER].able
    said = advice(can[RUN_ENGINES])
    assert "with JetPack's Python 3.10, not 3.12.3: `python3.10 -m venv --system-site-packages`" in said
    assert "'cuda-bindings>=12.9.10,<13'" in said and "tensorrt-cu" not in said
    said = advice(can[CUDA])
    assert "built without CUDA" in said and "pip uninstall -y onnxruntime\n" in said and "for JetPack 6" in said


def test_jetson_without_its_package_goes_by_l4t() -> None:
    machine = made_up.jetson_orin()
    machine.commands = {"dpkg-query -W -f ${db:Status-Status} ${Version} nvidia-jetpack": "not-installed "}
    found = look(machine)["jetson"]
    assert found.facts["jetpack"] == "6" and "JetPack 6, from L4T" in found.text
    assert "power mode unknown" in found.text


def test_a_jetpack_whose_tensorrt_is_for_an_older_python() -> None:
    machine = made_up.jetson_orin()
    machine.files["/etc/nv_tegra_release"] = "# R35 (release), REVISION: 4.1, GCID: 33958178, BOARD: t186ref\n"
    machine.commands = {"/sbin/ldconfig -p": "\tlibnvinfer.so.8 (libc6,AArch64) => /usr/lib/libnvinfer.so.8\n"}
    has, can = examined(machine)
    assert "JetPack 5, from L4T" in has["jetson"].text
    (lack,) = can[RUN_ENGINES].lacks
    assert lack.todo == ("install JetPack 6 or newer",)


def test_pips_opencv_never_takes_the_place_of_jetpacks() -> None:
    """pip's wheels have no GStreamer, and hide the OpenCV that JetPack was tested with."""
    machine = made_up.jetson_orin()
    for packages, build in (
        ({}, {"absent": "No module named 'cv2'", "stderr": ""}),
        ({"opencv-python": "4.12.0.88"}, made_up.OPENCV),
        ({"opencv-python-headless": "4.12.0.88"}, {**made_up.OPENCV, "gui": ""}),
    ):
        machine.installed = {"onnxruntime": "1.22.0", **packages}
        machine.trials["opencv_build"] = build
        _, can = examined(machine)
        said = "\n".join(advice(ability) for ability in can.values())
        assert "sudo apt install nvidia-opencv, which is JetPack's OpenCV" in said
        assert "pip install opencv" not in said and "pip install 'opencv" not in said
        assert ".[export]" not in advice(can[BUILD_ENGINES]), "the extras bring pip's OpenCV"
        assert all(f"pip uninstall -y {name}, which hides JetPack's OpenCV" in said for name in packages)


def test_bare_server() -> None:
    has, can = examined(made_up.bare_server())
    assert has["gpu"].status == "missing" and has["gpu"].facts["todo"] == []
    assert {name for name, ability in can.items() if ability.able} == {EMBEDDED, CPU, "process pictures and videos"}
    for name in (CUDA, ORT_TENSORRT, RUN_ENGINES, KERNELS, BUILD_ENGINES):
        (lack,) = can[name].lacks  # somebody without a GPU is not told to install what needs one
        assert "no NVIDIA GPU" in lack.why and not lack.todo
    assert "torch, onnx, onnxsim, safetensors, h5py missing" in advice(can[CONVERT])
    assert "pip uninstall -y opencv-python-headless\n" in advice(can[WINDOW]) and "no display" in advice(can[WINDOW])
    assert "aiohttp" in advice(can[PAGE])
    (lack,) = can[OPENVINO].lacks
    assert lack.todo == ("pip install openvino",)


def test_broken_driver_is_the_only_thing_to_mend() -> None:
    has, can = examined(made_up.broken_driver())
    assert has["gpu"].status == "broken" and "803" in has["gpu"].text and "driver 570.133.07" in has["gpu"].text
    for name in (CUDA, ORT_TENSORRT, RUN_ENGINES, KERNELS, BUILD_ENGINES):
        (lack,) = can[name].lacks
        assert "restart" in lack.todo[0]
    assert can[CPU].able and has["onnxruntime"].facts["cuda"] is None


def test_kernels_that_cannot_run() -> None:
    machine = made_up.desktop()
    machine.trials["native_module"] = {**made_up.X86_NATIVE, "cuda": 0, "no_gpu": "this build has no CUDA"}
    _, can = examined(machine)
    assert "built without CUDA" in advice(can[KERNELS]) and "pip install . in a clone" in advice(can[KERNELS])
    machine.trials["native_module"] = {
        **made_up.X86_NATIVE,
        "cuda": 13000,
        "no_gpu": "CUDA driver version is insufficient",
    }
    _, can = examined(machine)
    assert "driver version is insufficient" in advice(can[KERNELS])
    assert "with the CUDA toolkit 12.8 or older, pip install ." in advice(can[KERNELS]) and can[RUN_ENGINES].able


def test_two_onnx_runtimes() -> None:
    has, can = examined(made_up.both_onnx_runtimes())
    assert "overwrite each other" in has["onnxruntime"].text and can[CPU].able
    (lack,) = can[CUDA].lacks
    assert "several packages of ONNX Runtime" in lack.why
    assert lack.todo == (
        "pip uninstall -y onnxruntime onnxruntime-gpu",
        "pip install 'onnxruntime-gpu[cuda,cudnn]>=1.24,<1.27'",
    )
    assert can[RUN_ENGINES].able


def test_missing_cuda_libraries_are_named() -> None:
    _, can = examined(made_up.no_cuda_libraries())
    said = advice(can[CUDA])
    assert "cannot find libcublasLt.so.13; it needs cuDNN 9.* and CUDA 13.*\n" in said
    assert can[ORT_TENSORRT].lacks == can[CUDA].lacks


def test_an_onnx_runtime_that_is_too_new_for_the_driver() -> None:
    machine = made_up.no_cuda_libraries()
    machine.trials["onnx_session CPUExecutionProvider"] = made_up.session("CUDA", "CPU", cuda="13.0")
    assert "built for CUDA 13.0, the driver supports up to 12.8" in advice(examined(machine)[1][CUDA])


def test_onnx_runtimes_tensorrt_that_does_not_start() -> None:
    machine = made_up.desktop()
    machine.trials["onnx_session TensorrtExecutionProvider"] = made_up.session(
        "Tensorrt", works=False, problem="x", stderr="error: libnvinfer.so.10: cannot open shared object file: No"
    )
    _, can = examined(machine)
    said = advice(can[ORT_TENSORRT])
    assert can[CUDA].able and "cannot find libnvinfer.so.10" in said
    assert "pip install 'tensorrt-cu12>=10.9,<11'" in said


def test_a_tensorrt_that_cannot_be_imported() -> None:
    machine = made_up.desktop()
    machine.trials["tensorrt_import"] = {"problem": "libnvinfer.so.10: cannot open shared object file", "stderr": ""}
    has, can = examined(machine)
    assert has["tensorrt"].status == "broken" and "libnvinfer.so.10" in has["tensorrt"].text
    assert can[RUN_ENGINES].lacks[0].todo == (
        "pip uninstall -y tensorrt-cu12 tensorrt-cu12-bindings tensorrt-cu12-libs",
        "pip install 'tensorrt-cu12>=10.14,<11'",
    )


def test_openvinos_devices_that_do_not_work() -> None:
    machine = made_up.desktop()
    devices = made_up.OPENVINO["devices"]
    broken = {**devices["GPU"], "problem": "clBuildProgram failed"}
    machine.trials["openvino_session"] = {**made_up.OPENVINO, "devices": {**devices, "GPU": broken}}
    has, can = examined(machine)
    assert can[OPENVINO].able and "GPU does not work: clBuildProgram failed" in has["openvino"].text
    broken = {**devices["CPU"], "problem": "no such instruction"}
    machine.trials["openvino_session"] = {**made_up.OPENVINO, "devices": {"CPU": broken}}
    assert "openvino 2025.3.0 does not run: no such instruction" in advice(examined(machine)[1][OPENVINO])
    machine.trials["openvino_session"] = {"problem": "ended by signal 4: no output", "stderr": ""}
    has, can = examined(machine)
    assert has["openvino"].status == "broken" and "ended by signal 4" in has["openvino"].text
    assert can[OPENVINO].lacks[0].todo == ("pip uninstall -y openvino", "pip install openvino")


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        ("raise ImportError('libtbb.so.12: no such file')", {"problem": "libtbb.so.12: no such file"}),
        ("import openvino.no_such_part", {"problem": "No module named 'openvino.no_such_part'"}),
        (None, {"absent": "No module named 'openvino'"}),
    ],
)
def test_an_openvino_that_cannot_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str | None, answer: dict[str, str]
) -> None:
    code = source or "raise ModuleNotFoundError(\"No module named 'openvino'\", name='openvino')"
    (tmp_path / "openvino").mkdir()
    (tmp_path / "openvino" / "__init__.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert ThisMachine().trial("openvino_session") == {**answer, "stderr": ""}


@pytest.mark.parametrize("works", [True, False])
def test_tensorrt_is_imported_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, works: bool) -> None:
    source = "__version__ = '10.3.0'\ndef __getattr__(name): raise SystemExit(name)\n"
    (tmp_path / "tensorrt.py").write_text(source if works else "raise ImportError('no libnvinfer')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    answer = ThisMachine().trial("tensorrt_import")
    assert answer == {"version": "10.3.0", "stderr": ""} if works else {"problem": "no libnvinfer", "stderr": ""}


def test_a_gpu_without_a_driver() -> None:
    machine = made_up.bare_server()
    machine.commands["lspci"] = (
        "00:02.0 VGA compatible controller: Intel Corporation UHD Graphics\n"
        "01:00.0 3D controller: NVIDIA Corporation GA107M [GeForce RTX 3050 Mobile] (rev a1)\n"
    )
    has, can = examined(machine)
    assert has["gpu"].text.startswith("NVIDIA Corporation GA107M") and "ubuntu-drivers" in advice(can[CUDA])


def test_a_container_without_the_gpu() -> None:
    machine = made_up.desktop()
    machine.trials["cuda_driver"] = {"absent": "libcuda.so.1: cannot open shared object file", "stderr": ""}
    assert "--gpus all" in advice(examined(machine)[1][CUDA])
    machine.trials["cuda_driver"] = {"problem": "p", "code": 100, "name": "CUDA_ERROR_NO_DEVICE", "stderr": ""}
    machine.variables["CUDA_VISIBLE_DEVICES"] = "7"
    has, can = examined(machine)
    assert has["gpu"].status == "missing" and "CUDA_VISIBLE_DEVICES is '7'" in advice(can[CUDA])


class Hostile:
    """A machine whose every answer fails."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def fail(*arguments: object) -> None:
            raise OSError(5, f"{name} fails")

        return fail


def test_nothing_a_machine_does_brings_it_down() -> None:
    has = look(Hostile())
    assert {finding.status for finding in has.values()} == {"broken"}
    assert all("could not be examined (OSError" in finding.text for finding in has.values())
    assert not any(ability.able for ability in abilities(has))


@pytest.mark.parametrize("name", list(look(made_up.bare_server())))
@pytest.mark.parametrize("make", ALL)
def test_any_one_thing_may_fail_to_be_found_out(make: Callable[[], MadeUpMachine], name: str) -> None:
    has = look(make())
    has[name] = look(Hostile())[name]
    examination = Examination(make().system(), has, abilities(has))
    assert "PROBLEM: could not be examined" in examination.to_text()
    assert json.loads(examination.to_json())["has"][name]["status"] == "broken"


@pytest.mark.parametrize("make", ALL)
def test_text_and_json_say_the_same(make: Callable[[], MadeUpMachine]) -> None:
    examination = examine(make())
    plain = json.loads(examination.to_json())
    assert next(iter(plain)) == "format" and plain["format"] == 1
    flat = " ".join(examination.to_text().split())
    for finding in plain["has"].values():
        assert finding["text"] in flat
    for ability in plain["can"]:
        assert f"{'yes' if ability['able'] else 'no'} {ability['name']}: {ability['use']}" in flat
        for lack in ability["lacks"]:
            assert f"because {lack['why']}" in flat and all(f"do: {step}" in flat for step in lack["todo"])


def test_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    import onnxruntime

    from hpe_edge.ops.crop import isa_names

    assert main(["doctor", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["has"]["native"]["facts"]["isa"] == isa_names()
    assert said["has"]["onnxruntime"]["facts"]["version"] == onnxruntime.__version__
    assert said["has"]["onnxruntime"]["facts"]["providers"] == onnxruntime.get_available_providers()
    if importlib.util.find_spec("openvino") is not None:
        openvino = said["has"]["openvino"]["facts"]
        assert (
            openvino["version"] in metadata.version("openvino") and "fp32" in openvino["devices"]["CPU"]["precisions"]
        )
        assert said["can"][2]["able"] and said["can"][2]["name"] == OPENVINO
    assert said["has"]["opencv"]["status"] == "found"
    assert said["can"][0]["able"] and said["hpe_edge"] == hpe_edge.__version__
    assert main(["doctor"]) == 0
    assert f"  yes  {EMBEDDED}" in capsys.readouterr().out


def test_a_folder_called_like_a_library_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("onnxruntime.py", "hpe_edge.py"):
        (tmp_path / name).write_text("raise SystemExit('run')")
    monkeypatch.chdir(tmp_path)
    assert ThisMachine().trial("onnx_session", "CPUExecutionProvider")["works"]


def test_a_provider_that_is_not_built_in_is_said_so() -> None:
    tried = ThisMachine().trial("onnx_session", "NoSuchExecutionProvider")
    assert not tried["works"] and "built without NoSuchExecutionProvider" in tried["problem"]


@pytest.mark.parametrize(
    ("status", "printed", "stderr", "problem"),
    [
        (-11, "", "", "ended by signal 11: no output"),
        (1, "noise", "Traceback\nOSError: no such thing\n", "exit status 1: OSError: no such thing"),
        (0, "[1, 2]\n", "", "exit status 0"),
        (0, '{"a": 1}\nmore noise\n', "", None),
    ],
)
def test_what_a_trial_leaves_behind(status: int, printed: str, stderr: str, problem: str | None) -> None:
    answer = parse_trial(status, printed, stderr)
    assert (problem in answer["problem"]) if problem else answer["a"] == 1


def test_a_package_that_lost_its_name_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half-1.0.dist-info").mkdir()
    (tmp_path / "My_Thing-2.0.dist-info").mkdir()
    (tmp_path / "My_Thing-2.0.dist-info" / "METADATA").write_text("Name: My_Thing\nVersion: 2.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert ThisMachine().packages()["my-thing"] == "2.0"


def test_what_is_not_there_is_no_error() -> None:
    machine = ThisMachine()
    assert machine.read("/no/such/file") is None and machine.run("no-such-program") is None
    assert machine.variable("HPE_EDGE_NO_SUCH_VARIABLE") == ""


@pytest.mark.parametrize(
    ("information", "expected"),
    [
        ("  GUI:                           GTK3\n    GStreamer:                   YES (1.20.3)\n", ("GTK3", True)),
        ("  GUI:                           NONE\n    GStreamer:                   NO\n", ("", False)),
        ("  GUI: \n    GTK+:                        YES (ver 3.24.33)\n", ("GTK+", False)),
        ("  Media I/O: \n", ("", False)),
    ],
)
def test_opencvs_builds(information: str, expected: tuple[str, bool]) -> None:
    said = describe_opencv("4.5.4", information)
    assert (said["gui"], said["gstreamer"]) == expected


DRIVER = """
#include <stddef.h>
#include <string.h>
int cuInit(unsigned flags) { return STATUS; }
int cuDriverGetVersion(int* version) { *version = 12040; return 0; }
int cuDeviceGetCount(int* count) { *count = 2; return 0; }
int cuDeviceGet(int* device, int index) { *device = 10 + index; return 0; }
int cuDeviceGetName(char* name, int length, int device) {
    strncpy(name, device == 10 ? "First" : "Second", length);
    return 0;
}
int cuDeviceTotalMem_v2(size_t* bytes, int device) { *bytes = (size_t)(device - 8) << 33; return 0; }
int cuDeviceGetAttribute(int* value, int attribute, int device) {
    *value = attribute == 75 ? 8 : attribute == 76 ? device - 4 : attribute == 18 ? device == 11 : -1;
    return 0;
}
int cuGetErrorName(int code, const char** text) {
    *text = code == 803 ? "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH" : NULL;
    return 0;
}
int cuGetErrorString(int code, const char** text) { *text = "driver and library differ"; return 0; }
"""


@pytest.mark.skipif(shutil.which("cc") is None or sys.platform != "linux", reason="needs a C compiler on Linux")
@pytest.mark.parametrize("status", [0, 803])
def test_the_drivers_library_is_asked_rightly(tmp_path: Path, status: int) -> None:
    """A library with the driver's names and signatures (cuda.h), built here."""
    (tmp_path / "driver.c").write_text(DRIVER)
    library = tmp_path / "libcuda.so.1"
    subprocess.run(
        ["cc", "-shared", "-fPIC", f"-DSTATUS={status}", "-o", library, tmp_path / "driver.c"], check=True, cwd=tmp_path
    )
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, TRIALS, "cuda_driver"], check=True, capture_output=True, text=True, env=environment
    )
    answer = json.loads(done.stdout)
    if status:
        assert answer["name"] == "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH" and answer["code"] == 803
        assert "driver and library differ" in answer["problem"]
    else:
        first, second = answer["devices"]
        assert answer["cuda"] == "12.4"
        assert first == {"name": "First", "capability": "8.6", "memory_mb": 16384, "integrated": False}
        assert second == {"name": "Second", "capability": "8.7", "memory_mb": 24576, "integrated": True}


RTX = [f"tensorrt-rtx-cu12-{part}" for part in ("bindings", "libs")]
BUILD_RTX, RUN_RTX = "build TensorRT-RTX engines, without a GPU too", "run TensorRT-RTX engines"


def test_tensorrt_rtx_builds_without_a_gpu() -> None:
    machine = made_up.bare_server()
    machine.installed |= {"onnxruntime": "1.22.0", "tensorrt-rtx": "1.7.1.116", **made_up.EXPORT}
    machine.trials |= made_up.desktop().trials
    machine.trials["cuda_driver"] = {"absent": "libcuda.so.1: cannot open shared object file"}
    has, can = examined(machine)
    assert can[BUILD_RTX].able and not can[RUN_RTX].able
    assert has["tensorrt_rtx"].text == "1.7.1.116 for Python"
    assert has["tensorrt"].status == "missing", "its packages have names that begin alike"


def test_tensorrt_rtx_that_is_missing_broken_or_for_a_newer_driver() -> None:
    machine = made_up.desktop()
    machine.trials["tensorrt_rtx_import"] = {"problem": "libtensorrt_rtx.so.1: not found", "stderr": ""}
    has, can = examined(machine)
    assert has["tensorrt_rtx"].status == "broken"
    steps = (f"pip uninstall -y {' '.join(RTX)}", f"pip install {' '.join(RTX)}")
    assert [lack.todo for lack in can[RUN_RTX].lacks] == [steps]
    for name in RTX:
        del machine.installed[name]
    assert [lack.todo for lack in examined(machine)[1][RUN_RTX].lacks] == [steps[1:]]
    machine.installed |= {name.replace("cu12", "cu13"): "1.7.1.116" for name in RTX}
    machine.trials["tensorrt_rtx_import"] = {"version": "1.7.1.116", "stderr": ""}
    _, can = examined(machine)
    assert can[BUILD_RTX].able and "built for CUDA 13, the driver supports up to 12.8" in advice(can[RUN_RTX])


def test_tensorrt_rtx_is_not_for_a_jetson() -> None:
    assert "x86-64" in advice(examined(made_up.jetson_orin())[1][BUILD_RTX])

"""export.triton without a server: the files, their settings, and refusals."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
from engine_files import write_engine
from tiny_model import write_tiny_model

from export import triton
from hpe_edge import InputError, ModelError, ModelNotFoundError, OutputError
from hpe_edge.cli.main import main
from hpe_edge.models import DEFAULT
from hpe_edge.spec import ModelSpec


def config(repository: Path, model: str) -> Any:
    """The configuration as Triton reads it: text in the schema's format."""
    from google.protobuf import text_format
    from tritonclient.grpc.model_config_pb2 import ModelConfig

    return text_format.Parse((repository / model / "config.pbtxt").read_text(), ModelConfig())


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_network_is_the_file_and_its_tensors_are_the_graphs(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "tiny.onnx", size=48, bins=20)
    written = triton.export(model, output=tmp_path / "out", name="faces", max_delay_ms=2.5, queue=9)
    assert written.models == ("faces_network", "faces_frame", "faces_stream") and written.backend == "onnxruntime"
    assert (written.path / "faces_network" / "1" / "model.onnx").read_bytes() == model.read_bytes()
    got = config(written.path, "faces_network")
    graph = onnx.load(model).graph
    for given, wanted in ((got.input, graph.input), (got.output, graph.output)):
        shapes = {each.name: [d.dim_value for d in each.type.tensor_type.shape.dim[1:]] for each in wanted}
        assert {each.name: list(each.dims) for each in given} == shapes
    assert (got.backend, got.max_batch_size, got.instance_group[0].kind) == ("onnxruntime", 32, 2)  # KIND_CPU
    assert got.dynamic_batching.max_queue_delay_microseconds == 2500
    assert got.dynamic_batching.default_queue_policy.max_queue_size == 9
    assert written.size_bytes == sum(map(len, files(written.path).values()))
    spec = ModelSpec.from_json((written.path / "faces_frame" / "1" / "spec.json").read_text())
    assert spec == written.spec and spec.architecture == "tiny"


@pytest.mark.parametrize(("dtype", "wanted"), [("FLOAT16", "TYPE_FP16"), ("UINT8", "TYPE_UINT8")])
def test_the_inputs_type_is_the_graphs(tmp_path: Path, dtype: str, wanted: str) -> None:
    from tritonclient.grpc.model_config_pb2 import DataType

    model = write_tiny_model(tmp_path / "tiny.onnx", dtype=onnx.TensorProto.DataType.Value(dtype))
    written = triton.export(model, output=tmp_path / "out")
    assert config(written.path, "head_pose_network").input[0].data_type == DataType.Value(wanted)


def test_frames_are_ragged_and_streams_are_sequences(tmp_path: Path) -> None:
    written = triton.export(output=tmp_path / "out", cameras=7, idle_s=1.5, instances=3)
    frame, stream = config(written.path, "head_pose_frame"), config(written.path, "head_pose_stream")
    for got in (frame, stream):
        assert {each.name for each in got.input if not each.allow_ragged_batch} <= {"TIME"}
        assert got.backend == "python" and got.instance_group[0].count == 3
        assert (written.path / got.name / "1" / "model.py").is_file()
    assert frame.HasField("dynamic_batching") and not frame.HasField("sequence_batching")
    assert stream.sequence_batching.max_sequence_idle_microseconds == 1_500_000
    assert stream.sequence_batching.oldest.max_candidate_sequences > 7  # more, so that the model can refuse them
    assert [each.name for each in stream.input if each.optional] == ["BOXES", "SCORES", "KEYPOINTS"]
    assert [each.name for each in frame.input if each.optional] == ["KEYPOINTS"]


def test_an_engine_is_run_by_tensorrt_with_all_its_profiles(tmp_path: Path) -> None:
    """Profiles of batches 1, 2 and 4, and one for 8 and 16; the server reads the tensors from the plan."""
    engine = write_engine(tmp_path / "model.engine")
    written = triton.export(engine, output=tmp_path / "out")
    got = config(written.path, "head_pose_network")
    assert (got.backend, got.default_model_filename, got.max_batch_size) == ("tensorrt", "model.plan", 16)
    assert got.instance_group[0].kind == 1 and list(got.instance_group[0].profile) == ["0", "1", "2", "3"]  # KIND_GPU
    assert (written.path / "head_pose_network" / "1" / "model.plan").read_bytes() == engine.read_bytes()
    assert not got.input and not got.output


def test_the_command_writes_what_the_function_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = {"name": "a", "backend": "python", "max_batch": 5, "max_delay_ms": 1.0, "queue": 3, "instances": 2}
    options |= {"cameras": 4, "idle_s": 9.0, "device": "cpu"}
    triton.export(DEFAULT, output=tmp_path / "function", **options)  # type: ignore[arg-type]
    given = [text for key, value in options.items() for text in (f"--{key.replace('_', '-')}", str(value))]
    assert main(["export", "triton", str(DEFAULT), "-o", str(tmp_path / "command"), *given]) == 0
    assert files(tmp_path / "command") == files(tmp_path / "function")
    assert "tritonserver --model-repository=" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "tensorrt"}, "does not run"),
        ({"name": "a/b"}, "letters, digits"),
        ({"queue": 0}, "--queue must be 1 or more"),
        ({"max_batch": -1}, "--max-batch must be 1 or more"),
        ({"max_delay_ms": float("nan")}, "--max-delay-ms"),
        ({"idle_s": 0.0}, "--idle-s"),
        ({"backend": "openvino"}, "--backend must be one of"),
        ({"device": "gpu"}, "--device must be cpu or cuda"),
    ],
)
def test_wrong_arguments_write_nothing(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        triton.export(output=tmp_path / "out", **options)
    assert list(tmp_path.iterdir()) == []


def test_models_that_triton_cannot_batch_are_refused(tmp_path: Path) -> None:
    fixed = write_tiny_model(tmp_path / "fixed.onnx", batch=4)
    with pytest.raises(InputError, match=r"fixed batch of 4.*--backend python"):
        triton.export(fixed, output=tmp_path / "out")
    assert triton.export(fixed, output=tmp_path / "padded", backend="python").backend == "python"
    engine = write_engine(tmp_path / "model.engine")
    with pytest.raises(InputError, match="built for batches up to 16"):
        triton.export(engine, output=tmp_path / "out", max_batch=17)
    for options in ({"backend": "python"}, {"device": "cpu"}):
        with pytest.raises(InputError, match="leave"):
            triton.export(engine, output=tmp_path / "out", **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="TensorRT-RTX"):
        triton.export(write_engine(tmp_path / "model.rtx"), output=tmp_path / "out")
    with pytest.raises(ModelError, match="spec"):
        triton.export(write_tiny_model(tmp_path / "bare.onnx", spec=None), output=tmp_path / "out")
    with pytest.raises(ModelNotFoundError, match="hpe-edge export onnx CHECKPOINT"):
        triton.export(tmp_path / "missing.onnx", output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_with_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        triton.export(output=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_without_tritonclient_the_message_names_the_extra(tmp_path: Path) -> None:
    (tmp_path / "tritonclient.py").write_text("raise ModuleNotFoundError(\"No module named 'tritonclient'\")")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from hpe_edge.cli.main import main; "
        f"sys.exit(main(['export', 'triton', '-o', {str(tmp_path / 'out')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and "'hpe-edge[triton]'" in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_nothing_of_it_is_imported_by_a_plain_import() -> None:
    code = (
        "import sys, hpe_edge, hpe_edge.engine, hpe_edge.pipeline.track, export.cli\n"
        "print([name for name in sys.modules if 'triton' in name or 'grpc' in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""Types of model files and of what stands in their place, by content."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

_START = 4096  # bytes that are looked at
_SHORTEST = 16  # fewer bytes are of no type
_NO_ONNX = "nothing converts it to ONNX; export the network that it was made from to ONNX"
_NO_ONNX_FROM = "{converter} converts to it and not from it; export the network that it was made from to ONNX"


@dataclass(frozen=True)
class FileType:
    """A type of file.

    Attributes:
        key: names it in code.
        name: in messages, with its article.
        advice: the way from it to a model that hpe_edge takes, ``{path}`` in it is the file; empty where there is none.
    """

    key: str
    name: str
    advice: str = ""


_PACK = "name the archive that it was unpacked from, or pack its folder again: zip -0 -r weights.pth FOLDER"
_PICTURE = "name the model"
_UNPACK = "unpack it and name the model in it"
_TF2ONNX = "convert it (pip install tf2onnx; python -m tf2onnx.convert {option} {{path}} --output model.onnx)"
_TFLITE = "adopt it, with tf2onnx and TensorFlow installed: hpe-edge export onnx --adopt {path} --arch NAME"
ADOPT = ", then adopt that: hpe-edge export onnx --adopt model.onnx"

_MXNET = "export it to ONNX with MXNet itself (mx.onnx.export_model)" + ADOPT

# Content at the start of the file -> its type; the first that fits.
_MARKS: tuple[tuple[bytes, FileType], ...] = (
    (b"version https://git-lfs", FileType("lfs", "a Git LFS pointer, not the file itself", "run `git lfs pull`")),
    (b"\xff\xd8\xff", FileType("picture", "a JPEG picture", _PICTURE)),
    (b"\x89PNG", FileType("picture", "a PNG picture", _PICTURE)),
    (b"GIF8", FileType("picture", "a GIF picture", _PICTURE)),
    (b"RIFF", FileType("picture", "a WebP picture or a sound", _PICTURE)),
    (b"%PDF", FileType("document", "a PDF document", _PICTURE)),
    (b"\x1f\x8b", FileType("archive", "a gzip archive", _UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", FileType("archive", "a 7z archive", _UNPACK)),
    (b"Rar!", FileType("archive", "a RAR archive", _UNPACK)),
    (b"BZh", FileType("archive", "a bzip2 archive", _UNPACK)),
    (b"\xfd7zXZ", FileType("archive", "an xz archive", _UNPACK)),
    (b"\x7fELF", FileType("program", "a program or library", _PICTURE)),
    (b"\x89HPENET\n", FileType("native", "a network for native code (.hpe)")),
    (b"ftrt", FileType("plan", "a TensorRT engine", "")),
    (b"ptrt", FileType("plan", "a TensorRT engine", "")),
    (b"7767517", FileType("ncnn", "an ncnn network (.param)", _NO_ONNX_FROM.format(converter="pnnx"))),
    (b"\xdd\x85\x76\x00", FileType("ncnn", "an ncnn network (binary .param)", _NO_ONNX_FROM.format(converter="pnnx"))),
    (b"\x12\x01\0\0\0\0\0\0", FileType("mxnet", "MXNet weights (.params)", _MXNET)),
    (b"RKNN", FileType("rknn", "an RKNN model", _NO_ONNX)),
    (b"GGUF", FileType("gguf", "a GGUF model", _NO_ONNX)),
    (b"\x93NUMPY", FileType("numpy", "a NumPy array", "")),
    (b"\x89HDF\r\n\x1a\n", FileType("hdf5", "an HDF5 file, as Keras writes weights", "")),
)
_MARKS_AT_4 = {
    b"TFL3": FileType("tflite", "a TensorFlow Lite model", _TFLITE),
    b"ORTM": FileType("ort", "an ONNX Runtime model (.ort)", "name the .onnx file that it was made from"),
    b"ET12": FileType("executorch", "an ExecuTorch program (.pte)", _NO_ONNX),
}
_SUFFIXES = {
    ".mnn": FileType("mnn", "an MNN model", _NO_ONNX_FROM.format(converter="MNNConvert")),
    ".mlmodel": FileType("coreml", "a Core ML model", _NO_ONNX),
    ".caffemodel": FileType("caffe", "Caffe weights", "convert them with their .prototxt (caffe2onnx)" + ADOPT),
    ".pdmodel": FileType("paddle", "a PaddlePaddle model", "convert it (pip install paddle2onnx)" + ADOPT),
    ".pdiparams": FileType("paddle", "PaddlePaddle weights", "convert their model (pip install paddle2onnx)" + ADOPT),
    ".etlt": FileType("tao", "an encrypted TAO model", "export it to ONNX with NVIDIA's TAO" + ADOPT),
    ".tlt": FileType("tao", "an encrypted TAO model", "export it to ONNX with NVIDIA's TAO" + ADOPT),
    ".hef": FileType("hailo", "a Hailo model", _NO_ONNX),
}
_ONNX_START = re.compile(rb"\x08[\x01-\x20](\x12.(pytorch|[ -~]{3,})|:|B|\x1a|\x22|\x28)", re.DOTALL)
_GRAPH_DEF = re.compile(
    rb"\x0a.{1,3}?\x0a.[\w/.:-]+\x12.(Const|Placeholder|Identity|VariableV2|NoOp|Conv2D)", re.DOTALL
)
_SAVED_MODEL = re.compile(rb"\x08\x01\x12[\x80-\xff]")
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_STORAGES = b"X\x07\0\0\0storage", b"\x8c\x07storage"  # the text of a reference to a file beside the index


def file_type(path: Path) -> FileType | None:
    """Recognise a file by its content, and by its name where the content has no mark.

    Args:
        path: a file or a folder.

    Returns:
        Its type; None for one that is not known, or cannot be read.
    """
    try:
        if path.is_dir():
            return _folder(path)
        if not path.is_file():  # a device or pipe may never end
            return None
        with path.open("rb") as file:
            start = file.read(_START)
            file.seek(257)
            is_tar = file.read(5) == b"ustar"
    except OSError:
        return None
    if 0 < len(start) < _SHORTEST:
        return None
    if not start:
        return FileType("empty", "an empty file", "the download or the copy did not finish: fetch it again")
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    for mark, found in _MARKS:
        if text.startswith(mark) or start.startswith(mark):
            return found
    if (found_at_4 := _MARKS_AT_4.get(start[4:8])) is not None:
        return found_at_4
    if is_tar:
        return FileType("archive", "a tar archive", _UNPACK)
    for recognise in (_zip, _markup, _of_openvino, _of_ncnn, _pickle, _protobuf, _text):
        if (it := recognise(path, start)) is not None:
            return it
    return _SUFFIXES.get(path.suffix.lower())


def _folder(path: Path) -> FileType | None:
    if (path / "saved_model.pb").is_file():
        return FileType("tensorflow", "a TensorFlow SavedModel", _TF2ONNX.format(option="--saved-model") + ADOPT)
    if (path / "data.pkl").is_file():
        return FileType("data.pkl", "an unpacked checkpoint", _PACK)
    if path.suffix.lower() == ".mlpackage":
        return FileType("coreml", "a Core ML model", _NO_ONNX)
    return None


def _zip(path: Path, start: bytes) -> FileType | None:
    if not start.startswith(b"PK\x03\x04"):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return None  # a truncated archive; its reader says so
    last = {name.rpartition("/")[2] for name in names}
    if "serialized_exported_program.json" in last or any(name.endswith("models/model.json") for name in names):
        return FileType(
            "pt2",
            "an exported PyTorch program (.pt2)",
            "convert it where its PyTorch is: torch.onnx.export(torch.export.load(path), ...)" + ADOPT,
        )
    if "constants.pkl" in last and any("/code/" in f"/{name}" for name in names):
        return FileType("torchscript", "a TorchScript archive")
    if "data.pkl" in last:
        return FileType("torch", "a PyTorch checkpoint")
    if "model.weights.h5" in last:
        return FileType("keras", "a .keras archive", "save it anew with model.save('model.h5')")
    if names and all(name.endswith(".npy") for name in names):
        return FileType("npz", "an archive of NumPy arrays (.npz)")
    return FileType("zip", f"a zip archive of {', '.join(names[:3]) or 'nothing'}", _UNPACK)


def _markup(path: Path, start: bytes) -> FileType | None:
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text.startswith(b"<"):
        return None
    if re.search(rb"<net\b", text):
        return FileType("openvino", "an OpenVINO IR model (.xml)")
    if re.search(rb"<opencv_storage\b", text):
        return FileType("opencv", "an OpenCV file, such as a Haar cascade")
    if re.search(rb"<(!doctype\s+html|html)\b", text, re.IGNORECASE):
        return FileType("page", "a web page, probably a failed download", "download the file again")
    return FileType("page", "a web page or XML, probably a failed download", "download the file again")


def _of_openvino(path: Path, start: bytes) -> FileType | None:
    """The weights of an IR have no mark; the .xml is beside them."""
    beside = path.with_suffix(".xml")
    if path.suffix.lower() != ".bin" or not beside.is_file():
        return None
    with beside.open("rb") as file:
        found = _markup(beside, file.read(_START))
    if found is None or found.key != "openvino":
        return None
    return FileType("openvino-weights", "the weights of an OpenVINO IR model", f"name {beside}, the model itself")


def _of_ncnn(path: Path, start: bytes) -> FileType | None:
    beside = path.with_suffix(".param")
    if path.suffix.lower() != ".bin" or not beside.is_file():
        return None
    return FileType("ncnn", "the weights of an ncnn network", _NO_ONNX_FROM.format(converter="pnnx"))


def _pickle(path: Path, start: bytes) -> FileType | None:
    if not _PICKLE.match(start) or start.startswith(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."):
        return None
    # A tensor that is pickled by itself holds such a reference within its bytes.
    if b"torch" in start and b"_load_from_bytes" not in start and any(mark in start for mark in _STORAGES):
        return FileType(
            "data.pkl",
            "the index of an unpacked checkpoint, without its weights",
            _PACK,
        )
    return FileType("pickle", "a pickle")


def _protobuf(path: Path, start: bytes) -> FileType | None:
    if _SAVED_MODEL.match(start) and path.suffix.lower() == ".pb":
        return FileType("tensorflow", "the graph of a TensorFlow SavedModel", "name its folder")
    if _GRAPH_DEF.match(start):
        return FileType("tensorflow", "a frozen TensorFlow graph (.pb)", _TF2ONNX.format(option="--graphdef") + ADOPT)
    if _is_safetensors(start):
        return FileType("safetensors", "a safetensors file")
    if _ONNX_START.match(start) and path.suffix.lower() not in (".pb", ".mlmodel"):
        return FileType("onnx", "an ONNX model")
    return None


def _is_safetensors(start: bytes) -> bool:
    """True for 8 bytes of a header's length, and a JSON object."""
    return start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 1 << 27


def _text(path: Path, start: bytes) -> FileType | None:
    try:
        text = start.decode("utf-8", "strict" if len(start) < _START else "ignore")
    except UnicodeDecodeError:
        return None
    if any(letter < " " and letter not in "\t\n\f\r" for letter in text):
        return None
    if re.search(r"^\s*\[property\]", text, re.MULTILINE):
        return FileType("deepstream", "a DeepStream configuration", "name the model that it names (onnx-file)")
    if text.lstrip().startswith("{") and '"arg_nodes"' in text + _tail(path):
        return FileType("mxnet", "an MXNet network (-symbol.json)", _MXNET)
    if re.search(r"^\s*(layer|layers)\s*\{", text, re.MULTILINE):
        return FileType("caffe", "a Caffe network (.prototxt)", _SUFFIXES[".caffemodel"].advice)
    return FileType("text", "a text file", _PICTURE)


def _tail(path: Path) -> str:
    """The file's end, where MXNet lists the arguments."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _START))
        return file.read().decode("utf-8", "ignore")

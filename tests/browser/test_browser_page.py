"""The page in a real browser: its poses are Python's, nothing leaves the machine, and its errors are words."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from chromium import Browser
from grid_model import write_grid_model
from media import noise
from test_js_engine import sample
from tiny_model import write_tiny_model

from benchmarks.browser.page_server import PageServer, serving_page
from export.browser.site import page_files
from hpe_edge import PoseEngine
from hpe_edge.drawing import draw_faces as drawing
from hpe_edge.models import DEFAULT

TOLERANCE_DEG = 0.01
STATE = "document.getElementById('state')"
DROP = """
(() => {{
    const bytes = Uint8Array.from(atob("{data}"), (letter) => letter.charCodeAt(0));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], "{name}"));
    const event = new DragEvent("drop", {{ dataTransfer, bubbles: true, cancelable: true }});
    document.getElementById("stage").dispatchEvent(event);
}})()
"""
ANGLES = "[...document.querySelectorAll('#faces td')].map((cell) => Number(cell.dataset.deg))"


class Page:
    """The page, open in a tab."""

    def __init__(self, tab: Browser, server: PageServer, before: str = "") -> None:
        self.tab, self.server = tab, server
        added = tab.call("Page.addScriptToEvaluateOnNewDocument", source=before)["identifier"]
        tab.open(f"{server.url}page/index.html")
        self.settled()
        tab.call("Page.removeScriptToEvaluateOnNewDocument", identifier=added)

    def settled(self) -> str:
        """The state once nothing is being done."""
        self.tab.wait_for(f"{STATE} !== null && {STATE}.dataset.state !== 'busy'")
        return str(self.tab.evaluate(f"{STATE}.textContent"))

    def drop(self, name: str, data: bytes) -> str:
        self.tab.evaluate(DROP.format(name=name, data=base64.b64encode(data).decode()))
        return self.settled()

    def drop_picture(self, frame_bgr: np.ndarray) -> str:
        return self.drop("a.png", cv2.imencode(".png", frame_bgr)[1].tobytes())

    def error(self) -> str:
        """The error on the page."""
        return str(self.tab.wait_for(f"{STATE}.dataset.state === 'error' && {STATE}.textContent"))

    def angles(self) -> np.ndarray:
        """Yaw, pitch and roll of the table, ``[N, 3]``."""
        return np.array(self.tab.evaluate(ANGLES), np.float64).reshape(-1, 3)

    def click(self, button: str) -> None:
        self.tab.evaluate(f"document.getElementById('{button}').click()")

    def draw_box(self, box: list[float]) -> list[float]:
        """Press, move and release over the picture; return the box in its pixels, from whole ones of the screen."""
        self.tab.evaluate("document.getElementById('view').scrollIntoView({ block: 'center' })")
        view = "document.getElementById('view')"
        left, top, shown = self.tab.evaluate(
            f"(({{ left, top, width }}) => [left, top, width])({view}.getBoundingClientRect())"
        )
        scale = shown / self.tab.evaluate(f"{view}.width")
        x1, y1, x2, y2 = (round(start + at * scale) for start, at in zip((left, top) * 2, box, strict=True))
        for kind, x, y in (("mousePressed", x1, y1), ("mouseMoved", x2, y2), ("mouseReleased", x2, y2)):
            self.tab.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1, buttons=1)
        return [(at - start) / scale for start, at in zip((left, top) * 2, (x1, y1, x2, y2), strict=True)]


def without_detector(files: dict[str, Path | str]) -> dict[str, Path | str]:
    names = json.loads(str(files["models/models.json"]))
    return files | {"models/models.json": json.dumps(names | {"detector": None})}


@pytest.fixture
def page(tab: Browser, server: PageServer) -> Iterator[Page]:
    """With a detector that finds many faces."""
    yield Page(tab, server)
    assert tab.evaluate("errors") == []


@pytest.fixture
def bare(tab: Browser, test_files: dict[str, Path | str]) -> Iterator[Page]:
    """Without a detector."""
    with serving_page(without_detector(test_files)) as server:
        yield Page(tab, server)
        assert tab.evaluate("errors") == []


def test_faces_and_poses_are_those_of_python(page: Page, detector_file: Path) -> None:
    frame = cv2.resize(noise(20, 15), (200, 150), interpolation=cv2.INTER_CUBIC)
    page.drop_picture(frame)
    with PoseEngine(detector=detector_file) as engine:
        poses = engine(frame)
    found = page.angles()
    assert len(found) == len(poses) > 3
    # Faces at the same x may have changed places.
    apart = np.abs((found[:, None] - poses.angles + 180) % 360 - 180).max(axis=2)
    assert np.median(apart.min(axis=1)) < TOLERANCE_DEG
    page.click("clear")


@pytest.mark.parametrize("name", ["astronaut.jpg", "grace_hopper.jpg"])
def test_the_embedded_detector_and_pose_are_those_of_python(tab: Browser, runtime: Path, name: str) -> None:
    frame, _ = sample(name)
    with serving_page(page_files(runtime)) as server, PoseEngine() as engine:
        page = Page(tab, server)
        assert page.drop_picture(frame) == "1 face."
        np.testing.assert_allclose(page.angles(), engine(frame).angles, atol=TOLERANCE_DEG)
        assert tab.evaluate("errors") == []


def test_a_box_that_is_drawn_gives_pythons_pose(bare: Page) -> None:
    frame, box = sample("grace_hopper.jpg")
    assert bare.drop_picture(frame) == "0 faces."
    assert "Draw a box" in bare.tab.evaluate("document.getElementById('hint').textContent")
    drawn = bare.draw_box(box)
    bare.tab.wait_for("!document.getElementById('faces').hidden")
    with PoseEngine() as engine:
        poses = engine(frame, [drawn])
    np.testing.assert_allclose(bare.angles(), poses.angles, atol=TOLERANCE_DEG)
    bare.click("clear")
    bare.tab.wait_for("document.getElementById('faces').hidden")
    bare.draw_box([100, 100, 103, 103])  # a click
    assert bare.settled() == "0 faces."


def test_the_sample_has_its_box_where_there_is_no_detector(bare: Page) -> None:
    bare.click("sample")
    bare.tab.wait_for("!document.getElementById('faces').hidden")
    frame, box = sample("astronaut.jpg")
    with PoseEngine() as engine:  # browsers decode JPEG a level apart from OpenCV
        np.testing.assert_allclose(bare.angles(), engine(frame, [box]).angles, atol=0.3)


def test_a_picture_chosen_with_the_button(bare: Page, tmp_path: Path) -> None:
    path = tmp_path / "chosen.jpg"
    cv2.imwrite(str(path), noise(320, 200))
    root = bare.tab.call("DOM.getDocument")["root"]["nodeId"]
    node = bare.tab.call("DOM.querySelector", nodeId=root, selector="#picture")["nodeId"]
    bare.tab.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])
    bare.tab.wait_for("document.getElementById('view').width === 320 && document.getElementById('view').height === 200")


def test_a_picture_is_turned_as_its_camera_was_held(bare: Page) -> None:
    upright = np.zeros((40, 60, 3), np.uint8)
    upright[:, :30] = (0, 0, 255)
    jpeg = cv2.imencode(".jpg", upright)[1].tobytes()
    exif = (
        b"\xff\xe1\x00\x22Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"
        + bytes(4)
    )
    bare.drop("a.jpg", jpeg[:2] + exif + jpeg[2:])
    view = "document.getElementById('view')"
    assert bare.tab.evaluate(f"[{view}.width, {view}.height]") == [40, 60]
    picture = bare.tab.pixels("document.getElementById('view')")
    assert picture[5, 20, 2] > 200 and picture[55, 20, 2] < 50  # a quarter clockwise: the left is now the top


def test_another_pose_model(bare: Page, tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / "mine.onnx")
    bare.drop("mine.onnx", path.read_bytes())
    assert bare.settled() == "The model is loaded."
    assert bare.tab.evaluate("document.getElementById('pose-model').textContent") == "mine.onnx (tiny, 64 × 64)"


def test_a_detector_of_ones_own(bare: Page, detector_file: Path) -> None:
    bare.drop_picture(cv2.resize(noise(20, 15), (200, 150)))
    bare.drop("mine.onnx", detector_file.read_bytes())
    bare.tab.wait_for("!document.getElementById('faces').hidden")
    assert bare.tab.evaluate("document.getElementById('face-model').textContent") == "mine.onnx"


def test_nothing_leaves_the_machine(page: Page, detector_file: Path) -> None:
    tab, server = page.tab, page.server
    tab.call("Network.enable")
    before, tab.events[:] = len(server.asked), []
    page.drop_picture(cv2.resize(noise(20, 15), (200, 150)))
    page.drop("a.onnx", DEFAULT.read_bytes())
    page.click("camera")
    tab.wait_for(f"{STATE}.textContent.startsWith('Camera:')")
    page.click("camera")
    page.settled()
    sent = [event["params"]["request"]["url"] for event in tab.events if event["method"] == "Network.requestWillBeSent"]
    tab.call("Network.disable")
    assert [url for url in sent if not url.startswith(("blob:", "data:"))] == []
    assert server.asked[before:] == []
    assert all(request.startswith("GET ") for request in server.asked)


def test_its_policy_refuses_other_machines_in_the_worker_too(page: Page) -> None:
    with serving_page({"x": "x"}) as other:
        ask = f"fetch('{other.url}x', {{ method: 'POST', body: 'a frame', mode: 'no-cors' }})"
        assert page.tab.evaluate(f"{ask}.then(() => 'sent', () => 'refused')") == "refused"
        worker = f"""
        new Promise((resolve) => {{
            const script = "{ask}.then(() => postMessage('sent'), () => postMessage('refused'))";
            const url = URL.createObjectURL(new Blob([script], {{ type: "text/javascript" }}));
            const worker = new Worker(url, {{ type: "module" }});
            worker.onmessage = ({{ data }}) => resolve(data);
            worker.onerror = () => resolve('failed');
        }})
        """
        assert page.tab.evaluate(worker) == "refused"
        picture = f"""
        new Promise((resolve) => {{
            const image = new Image();
            image.onload = () => resolve("sent");
            image.onerror = () => resolve("refused");
            image.src = "{other.url}x";
        }})
        """
        assert page.tab.evaluate(picture) == "refused"
        assert other.asked == []
    page.tab.evaluate("errors.length = 0")


def test_its_worker_lives_under_its_policy(tab: Browser, test_files: dict[str, Path | str]) -> None:
    """A worker would have the policy of the server's answer, which has none, if it came from a file."""
    with serving_page({"x": "x"}) as other:
        ask = f"fetch('{other.url}x', {{ method: 'POST', body: 'a frame', mode: 'no-cors' }})"
        tells = (
            "addEventListener('message', ({ data: { id } }) => sent.then((what) => postMessage({ id, error: what })))"
        )
        worker = f"const sent = {ask}.then(() => ({{ message: 'sent' }}), () => ({{ message: 'refused' }})); {tells};"
        with serving_page(test_files | {"page/worker.js": worker}) as server:
            assert Page(tab, server).error() == "refused"
        assert other.asked == []


def test_the_camera(page: Page) -> None:
    tab = page.tab
    page.click("camera")
    tab.wait_for(f"{STATE}.textContent.startsWith('Camera:')")
    assert tab.evaluate("document.getElementById('view').width") >= 640  # of Chromium's false camera
    tab.evaluate("window.first = document.getElementById('view').toDataURL()")
    tab.wait_for("document.getElementById('view').toDataURL() !== first")  # it moves
    assert tab.evaluate("document.getElementById('camera').textContent") == "Stop"
    page.click("camera")
    tab.wait_for(f"{STATE}.textContent === 'The camera is off.'")
    still = tab.pixels("document.getElementById('view')")
    assert (tab.pixels("document.getElementById('view')") == still).all()


def test_a_camera_that_goes_away(bare: Page) -> None:
    bare.tab.evaluate(
        "navigator.mediaDevices.getUserMedia = ((open) => async (wish) => (window.stream = await open(wish)))"
        "(navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices))"
    )
    bare.click("camera")
    bare.tab.wait_for(f"{STATE}.textContent.startsWith('Camera:')")
    bare.tab.evaluate("stream.getVideoTracks()[0].dispatchEvent(new Event('ended'))")
    assert "unplugged" in bare.error()


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("NotAllowedError", "Allow it for this page"),
        ("NotFoundError", "no camera"),
        ("NotReadableError", "another program"),
        ("OverconstrainedError", "no format"),
        ("AbortError", "does not start: broken"),
    ],
)
def test_a_camera_that_does_not_start(bare: Page, fault: str, says: str) -> None:
    bare.tab.evaluate(
        f"navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException('broken', '{fault}'); }}"
    )
    bare.click("camera")
    assert says in bare.error()
    assert bare.tab.evaluate("document.getElementById('camera').textContent") == "Camera"


def test_a_camera_that_the_browser_refuses(tmp_path: Path, server: PageServer) -> None:
    with Browser(tmp_path, "--use-fake-device-for-media-stream", "--deny-permission-prompts") as tab:
        page = Page(tab, server)
        page.click("camera")
        assert "Allow it for this page" in page.error()


def test_pages_without_https_have_no_camera(tab: Browser, server: PageServer) -> None:
    page = Page(tab, server, "Object.defineProperty(Navigator.prototype, 'mediaDevices', { value: undefined });")
    page.click("camera")
    assert "https or localhost" in page.error()


PNG = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()


@pytest.mark.parametrize("content", [b"", b"text", PNG[:40], b"<svg xmlns='http://www.w3.org/2000/svg'/>"], ids=str)
def test_pictures_that_are_none(bare: Page, content: bytes) -> None:
    bare.drop("odd.png", content)
    assert bare.error().startswith("odd.png cannot be read as a picture")


def test_a_huge_picture(bare: Page) -> None:
    bare.drop_picture(np.zeros((6000, 7000, 3), np.uint8))
    assert "7000 × 6000 pixels; up to 40 million" in bare.error()
    bare.drop_picture(np.zeros((20, 30, 3), np.uint8))  # the page goes on
    assert bare.settled() == "0 faces."


def test_a_huge_file(bare: Page) -> None:
    bare.tab.evaluate(
        """(() => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([new Uint8Array(101e6)], "big.png"));
            document.dispatchEvent(new DragEvent("drop", { dataTransfer }));
        })()"""
    )
    assert "101 MB; pictures of up to 100 MB" in bare.error()


def test_files_that_are_no_models(bare: Page, tmp_path: Path) -> None:
    for name, content in {
        "nonsense.onnx": b"\xff" * 100,
        "page.onnx": b"<!DOCTYPE html>",
        "scrfd.onnx": write_grid_model(tmp_path / "a.onnx", (1, 4, 10), 2, size_hw=None).read_bytes(),
        "bare.onnx": write_tiny_model(tmp_path / "b.onnx", spec=None).read_bytes(),
        "newer.onnx": write_tiny_model(tmp_path / "c.onnx", spec='{"format": 2}').read_bytes(),
    }.items():
        bare.drop(name, content)
        assert bare.error().startswith(f"{name} was not taken:"), name
    assert "format 2" in bare.error()
    frame, box = sample("astronaut.jpg")
    bare.drop_picture(frame)
    bare.draw_box(box)
    bare.tab.wait_for("!document.getElementById('faces').hidden")  # by the model before


@pytest.mark.parametrize("ability", ["OffscreenCanvas", "Worker", "createImageBitmap", "WebAssembly"])
def test_browsers_that_lack_an_ability(tab: Browser, server: PageServer, ability: str) -> None:
    page = Page(tab, server, f"delete globalThis.{ability};")
    assert ability in page.error() and "lacks" in page.error()
    assert tab.evaluate("document.getElementById('camera').disabled")


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        ("models/models.json", "models.json could not be loaded: 404"),
        (f"models/{DEFAULT.name}", f"{DEFAULT.name} could not be loaded: 404"),
        ("page/worker.js", "the worker failed"),
        ("ort/ort-wasm-simd-threaded.wasm", "cannot load this model"),
    ],
)
def test_copies_that_are_not_complete(tab: Browser, test_files: dict[str, Path | str], missing: str, says: str) -> None:
    with serving_page({name: path for name, path in test_files.items() if name != missing}) as server:
        assert says in Page(tab, server).error()


def test_a_copy_without_onnx_runtime(tab: Browser, test_files: dict[str, Path | str]) -> None:
    names = json.loads(str(test_files["models/models.json"])) | {"runtime": False}
    with serving_page(test_files | {"models/models.json": json.dumps(names)}) as server:
        assert "npm ci" in Page(tab, server).error()


@pytest.mark.parametrize("doubtful", [False, True])
def test_axes_are_drawn_as_in_python(bare: Page, monkeypatch: pytest.MonkeyPatch, doubtful: bool) -> None:
    from hpe_edge.geometry import rotation_from_euler

    angles = np.float32([[30, -20, 15], [-70, 10, -40], [5, 40, 120]])
    boxes = np.float32([[60, 60, 160, 180], [250, 40, 300, 110], [330, 150, 470, 290]])
    rotation = rotation_from_euler(angles).astype(np.float32)
    expected = np.full((360, 520, 3), 128, np.uint8)
    monkeypatch.setattr(drawing, "draw_labels", lambda *_: None)
    marks, nothing = np.full(3, doubtful), {"landmarks": np.empty((3, 0, 2)), "visibility": np.empty((3, 0))}
    drawing.draw_faces(expected, boxes, angles, angles * 0, rotation, ids=np.full(3, -1), doubtful=marks, **nothing)
    poses = [
        {"angles": a, "sigma": [0, 0, 0], "rotation": r, "box": b, "doubtful": doubtful}
        for a, r, b in zip(angles.tolist(), rotation.reshape(3, 9).tolist(), boxes.tolist(), strict=True)
    ]
    bare.tab.evaluate(
        f"""(async () => {{
            const {{ drawPoses }} = await import("{bare.server.url}page/draw.js");
            window.sheet = Object.assign(document.createElement("canvas"), {{ width: 520, height: 360 }});
            const context = sheet.getContext("2d");
            context.fillStyle = "rgb(128, 128, 128)";
            context.fillRect(0, 0, 520, 360);
            drawPoses(context, {json.dumps(poses)}, false);
        }})()"""
    )
    drawn = bare.tab.pixels("sheet")[..., :3].astype(int)
    marked, wanted = ((np.abs(each - 128.0) > 20).any(axis=2) for each in (drawn, expected.astype(int)))
    near = (
        cv2.dilate(wanted.astype(np.uint8), np.ones((5, 5))) > 0,
        cv2.dilate(marked.astype(np.uint8), np.ones((5, 5))) > 0,
    )
    assert wanted.sum() > 1500
    assert (marked & ~near[0]).sum() == 0 and (wanted & ~near[1]).sum() == 0
    # Levels, of smoothed pictures: the edges of lines differ.
    smooth = [cv2.blur(each.astype(np.float64), (9, 9)) for each in (drawn, expected)]
    apart, share = np.abs(smooth[0] - smooth[1]), 0.5 if doubtful else 1.0
    assert apart.max() < 45 * share and apart[wanted].mean() < 15 * share

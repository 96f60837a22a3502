"""run with a neutral pose, a mount, zones and events."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import command, names, rows_of

from hpe_edge.attention.mount import CameraMount
from hpe_edge.attention.neutral import NeutralPose, relative_angles, relative_rotation
from hpe_edge.cli.main import main
from hpe_edge.geometry import rotation_from_quaternion

EVERYWHERE = {"name": "here", "polygon": [[-180, -90], [180, -90], [180, 90], [-180, 90]]}
NOWHERE = {"name": "there", "polygon": [[170, 80], [180, 80], [180, 90]]}


@pytest.fixture
def zones(tmp_path: Path) -> Path:
    path = tmp_path / "zones.json"
    path.write_text(json.dumps({"zones": [NOWHERE]}))
    return path


def ran(*parts: object) -> list[dict[str, str]]:
    assert main(command("run", *parts, "--csv", "out.csv")) == 0
    return rows_of(Path("out.csv"))


@pytest.mark.parametrize("how", ["angles", "mount", "file"])
def test_relative_angles_are_those_of_the_recorded_rotation(clip: Path, model: Path, how: str) -> None:
    given = {
        "angles": (["--neutral", "20,-5,3"], NeutralPose.from_angles((20, -5, 3))),
        "mount": (["--mount", "30,10,0"], CameraMount(30, 10, 0).neutral),
        "file": (["--neutral", "seat.json"], NeutralPose.from_angles((7, 8, 9))),
    }
    options, neutral = given[how]
    neutral.save("seat.json")
    rows = ran(clip, "--model", model, "--boxes", "boxes.csv", *options)
    assert rows
    quaternions = np.array([[float(row[name]) for name in ("qw", "qx", "qy", "qz")] for row in rows])
    wanted = relative_angles(relative_rotation(neutral.rotation[None], rotation_from_quaternion(quaternions)))
    found = [[float(row[f"rel_{name}_deg"]) for name in ("yaw", "pitch", "roll")] for row in rows]
    np.testing.assert_allclose(found, wanted, atol=2e-3)  # of six digits in the quaternion
    assert {row["zone"] for row in rows} == {""}


def test_a_seat_is_learned_without_identities(clip: Path, model: Path) -> None:
    learn = ["--neutral", "learn:0.4", "--neutral-per", "mount", "--no-track"]
    rows = ran(clip, "--model", model, "--boxes", "boxes.csv", *learn)
    assert {row["track"] for row in rows} == {""} and rows[0]["rel_yaw_deg"] == "" and rows[-1]["rel_yaw_deg"] != ""


@pytest.mark.parametrize("per", ["person", "mount"])
def test_a_learned_pose_is_known_after_its_time(clip: Path, model: Path, per: str) -> None:
    Path("zones.json").write_text(json.dumps({"zones": [EVERYWHERE]}))
    options = ["--neutral", "learn:0.4", "--neutral-per", per, "--zones", "zones.json"]
    rows = ran(clip, "--model", model, "--boxes", "boxes.csv", *options)
    known = [float(row["time_s"]) >= 0.35 for row in rows]
    assert any(known) and not all(known)
    assert [row["rel_yaw_deg"] != "" for row in rows] == known
    assert [row["zone"] == "here" for row in rows] == known


@pytest.mark.parametrize(("after", "time_s"), [("0", 0.0), ("0.5", 0.5)])
def test_events(clip: Path, model: Path, zones: Path, after: str, time_s: float) -> None:
    ran(clip, "--model", model, "--boxes", "boxes.csv", "--zones", zones, "--away-after", after, "--events", "e.jsonl")
    (event,) = [json.loads(line) for line in Path("e.jsonl").read_text().splitlines()]
    assert (event["kind"], event["track"], event["zone"]) == ("left", 0, None)
    assert event["time_s"] == event["outside_s"] == pytest.approx(time_s)


def test_events_on_standard_output(clip: Path, model: Path, zones: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--zones", zones, "--away-after", "0", "--events", "-"]
    assert main(command("run", clip, "--model", model, "--boxes", "boxes.csv", *options)) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["kind"] == "left"


def test_pictures_have_zones(photos: Path, model: Path) -> None:
    Path("zones.json").write_text(json.dumps({"zones": [EVERYWHERE]}))
    rows = ran(photos, "--model", model, "--boxes", "boxes.csv", "--mount", "10,0,0", "--zones", "zones.json")
    assert {row["zone"] for row in rows} == {"here"}


@pytest.mark.parametrize(
    ("options", "status", "fragment"),
    [
        (["v.mp4", "--neutral", "1,2,3", "--mount", "1,2,3"], 2, "--neutral and --mount"),
        (["v.mp4", "--neutral", "1,2"], 2, "--neutral"),
        (["v.mp4", "--neutral", "learn:0"], 2, "learn"),
        (["v.mp4", "--neutral", "gone.json"], 1, "gone.json"),
        (["v.mp4", "--mount", "1,200,3"], 2, "pitch_deg"),
        (["v.mp4", "--zones", "gone.json"], 1, "gone.json"),
        (["v.mp4", "--zones", "boxes.csv"], 1, "boxes.csv"),
        (["v.mp4", "--events", "e.jsonl"], 2, "--zones"),
        (["v.mp4", "--zones", "zones.json", "--events", "e.jsonl", "--no-track"], 2, "--no-track"),
        (["v.mp4", "--zones", "zones.json", "--away-after", "-1"], 2, "--away-after"),
        (["v.mp4", "--neutral-per", "mount"], 2, "--neutral-per"),
        (["photos", "--neutral", "learn"], 2, "photos"),
        (["photos", "--zones", "zones.json", "--events", "e.jsonl"], 2, "photos"),
    ],
)
def test_wrong_usage(
    clip: Path,
    photos: Path,
    model: Path,
    zones: Path,
    tmp_path: Path,
    options: list[str],
    status: int,
    fragment: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = names(tmp_path)
    try:
        found = main(command("run", *options, "--model", model, "--csv", "out.csv"))
    except SystemExit as end:
        found = int(end.code or 0)
    assert found == status
    assert fragment in capsys.readouterr().err
    assert names(tmp_path) == before

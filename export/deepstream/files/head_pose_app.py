"""Head poses of cameras, streams or files by DeepStream, one line of JSON per face.

    python3 head_pose_app.py URI [URI ...] --detector FACE_DETECTOR.txt [--tracker CONFIG.yml] [--show]

Needs DeepStream with its Python bindings, pyds. Not run on DeepStream.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import math
import platform
import sys
from pathlib import Path
from typing import Any

from head_pose_probe import HeadPoseProbes, Pose, settings_beside

TRACKER = "/opt/nvidia/deepstream/deepstream/lib/libnvds_nvmultiobjecttracker.so"


def description(args: argparse.Namespace) -> str:
    """Return the pipeline as gst-launch takes it."""
    config = str(Path(__file__).resolve().parent / "head_pose.txt")
    stages = [
        f"nvstreammux name=mux batch-size={len(args.uri)} width={args.width} height={args.height} "
        f"batched-push-timeout=40000 live-source={int(args.live)}",
        f"nvinfer name=detector config-file-path={_quoted(args.detector)}",
        f"nvinfer name=head_pose config-file-path={_quoted(config)}",
    ]
    if args.tracker:
        stages.insert(2, f"nvtracker ll-lib-file={TRACKER} ll-config-file={_quoted(args.tracker)}")
    if args.show:
        stages += ["nvmultistreamtiler", "nvvideoconvert", "nvdsosd", f"{_window()} sync=0"]
    else:
        stages.append("fakesink sync=0")
    sources = [f"nvurisrcbin uri={_quoted(uri)} ! mux.sink_{at}" for at, uri in enumerate(args.uri)]
    return "  ".join([" ! ".join(stages), *sources])


def _window() -> str:
    return "nv3dsink" if platform.machine() == "aarch64" else "nveglglessink"  # a Jetson, or a graphics card


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def line(pose: Pose) -> str:
    """Return a pose as JSON; null for NaN."""
    plain = dataclasses.asdict(pose)
    numbers = [None if math.isnan(each) else each for each in pose.sigma]
    angles = {name: None if math.isnan(plain[name]) else plain[name] for name in ("yaw", "pitch", "roll")}
    return json.dumps({**plain, **angles, "sigma": numbers})


def show(poses: list[Pose]) -> None:
    """Print poses, one per line."""
    for each in poses:
        print(line(each), flush=True)


def main(argv: list[str] | None = None) -> int:
    """Run the pipeline until its sources end."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("uri", nargs="+", metavar="URI", help="rtsp://…, file:///… or v4l2:///dev/video0")
    parser.add_argument("--detector", required=True, metavar="TXT", help="nvinfer configuration of a face detector")
    parser.add_argument("--tracker", metavar="YML", help="configuration of nvtracker")
    parser.add_argument("--width", type=int, default=1920, help="of the batched frames (default: 1920)")
    parser.add_argument("--height", type=int, default=1080, help="of the batched frames (default: 1080)")
    parser.add_argument("--live", action="store_true", help="the sources are cameras")
    parser.add_argument("--show", action="store_true", help="draw the angles in a window")
    args = parser.parse_args(argv)
    for uri in args.uri:
        if "://" not in uri:
            parser.error(f"a source is a URI such as file:///…, got {uri}")
    if not Path(args.detector).is_file():
        parser.error(f"there is no file {args.detector}; --detector names the nvinfer configuration of a face detector")
    try:
        import gi
        import pyds  # noqa: F401  # the probes import it
    except ImportError as error:
        parser.exit(
            1, f"head_pose_app: {error}; run it where DeepStream and its Python bindings (pyds) are installed\n"
        )

    gi.require_version("Gst", "1.0")
    from gi.repository import GLib, Gst

    Gst.init(None)
    pipeline = Gst.parse_launch(description(args))
    probes = HeadPoseProbes(settings_beside(), show, label=args.show)
    probes.attach(pipeline.get_by_name("head_pose"))
    return _run(pipeline, Gst, GLib)


def _run(pipeline: Any, gst: Any, glib: Any) -> int:
    loop, failures = glib.MainLoop(), []

    def watch(_: Any, message: Any) -> bool:
        if message.type == gst.MessageType.ERROR:
            failures.append(message.parse_error()[0])
        if message.type in (gst.MessageType.ERROR, gst.MessageType.EOS):
            loop.quit()
        return True

    bus = pipeline.get_bus()
    bus.add_signal_watch()
    bus.connect("message", watch)
    pipeline.set_state(gst.State.PLAYING)
    with contextlib.suppress(KeyboardInterrupt):
        loop.run()
    pipeline.set_state(gst.State.NULL)
    for each in failures:
        print(f"head_pose_app: {each}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

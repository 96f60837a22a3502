"""Write the tables of figures in README.md, docs/ and the model card from the runs in benchmarks/results.

    python docs/figures.py            after a new run
    python docs/figures.py --check    exit status 1 where a page is out of date

A table stands between two comments that name it; the text around it can be edited freely. docs/performance.md
has its own writer among the benchmarks, and the tables of the families come from family_table.py.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"

ANGLES = ("yaw", "pitch", "roll")
EMBEDDED = "student-v2"
TEACHERS = ("lightweight", "fsanet", "3ddfa", "face-landmarker")
PUBLISHED = ("lightweight", "fsanet-1x1", "fsanet-var")
BOXES = {"landmarks": "landmarks", "face-detector": "face-detector", "yunet_n_640_640": "YuNet", "haar": "Haar"}

Result = dict[str, Any]


def results(suite: str, name: str) -> list[Result]:
    """Read the results called ``name`` of a committed run."""
    (path,) = (path for path in RESULTS.glob("*-*-*.json") if path.stem.split("-", 2)[2] == suite)
    document = json.loads(path.read_text(encoding="utf-8"))
    return [result for result in document["results"] if result["name"] == name]


def rows(result: Result) -> dict[str, dict[str, Any]]:
    """Timed rows of a result by their names."""
    return {row["name"]: row for row in result["rows"]}


def table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Format a Markdown table."""
    head, *body = (f"| {' | '.join(line)} |\n" for line in (header, *lines))
    return "".join([head, "|---" * len(header), "|\n", *body])


def degrees(values: Iterable[float], digits: int = 2) -> list[str]:
    return [f"{value:.{digits}f}°" for value in values]


def mean_and_95(figures: dict[str, float], name: str) -> str:
    return f"{figures[f'{name}_mean_deg']:.2f} / {figures[f'{name}_p95_deg']:.2f}"


def kilobytes(figures: dict[str, float]) -> str:
    return f"{figures['bytes'] / 1e3:.0f} kB"


def changes(figures: dict[str, float]) -> list[str]:
    """Mean, 99th percentile and worst rotation from the FP32 file's result."""
    return degrees(figures[f"change_{what}_deg"] for what in ("mean", "p99", "worst"))


def embedded_errors() -> dict[tuple[str, str], dict[str, float]]:
    """(model, boxes) -> figures, of the embedded model and its teachers."""
    return {(r["parameters"]["model"], r["parameters"]["boxes"]): r["figures"] for r in results("card", "error")}


def models() -> str:
    """README: the embedded model in three precisions, beside its best-known teachers."""
    errors = embedded_errors()
    forms = {r["parameters"]["file"]: r["figures"] for r in results("card-precision", "precision")}
    own, *teachers = (
        [model, *degrees([by["mean_mae_deg"]]), *degrees([by["mean_mae_deg_yaw_60_to_180"]], 1), "", ""]
        for model, by in ((model, errors[model, "landmarks"]) for model in (EMBEDDED, *TEACHERS[:2]))
    )
    own[-1] = kilobytes(forms[EMBEDDED])
    lines = [own]
    for name in (f"{EMBEDDED}-fp16", f"{EMBEDDED}-int8"):
        by = forms[name]
        lines.append([name, *degrees([by["mean_mae_deg"]]), "", changes(by)[0], kilobytes(by)])
    return table(("model", "MAE", "yaw > 60°", "change from FP32", "file"), [*lines, *teachers])


def costs() -> str:
    """README: times, memory and jitter."""
    (network,) = (rows(r) for r in results("card-engine", "engine") if r["parameters"]["faces"] == 1)
    (engine,) = (rows(r) for r in results("engine", "engine") if r["parameters"]["faces"] == 1)
    (memory,) = results("engine", "memory")
    by = smoothing_figures()["known turns", "as it is"]
    lines = [
        ("embedded network, one face, one thread", f"{network['session.run']['time_us']['median'] / 1e3:.2f} ms"),
        ("added by PoseEngine, 112²", f"{engine['backend']['first_minus_this_us']['median']:.0f} µs"),
        (
            f"memory growth over {memory['parameters']['calls']:,} calls",
            f"{memory['figures']['growth_kb']:.0f} KB",
        ),
        ("jitter removed by `--smooth`", f"{by['cut_percent']:.0f} %, lag {by['mean_lag_frames']:.1f} frames"),
    ]
    return table(("on a CPU", "measured"), lines)


def rectification() -> str:
    """conventions.md: error of faces away from the optical axis."""
    figures = {
        (p["outline"], p["frame"].split()[0], p["off_axis_deg"]): r["figures"]
        for r in results("rectification", "rectification")
        for p in [r["parameters"]]
    }
    lines = []
    for off_axis in (0, 5, 10, 15, 20, 25):
        far, near = (figures["68 landmarks", frame, off_axis] for frame in ("1920", "640"))
        without, corrected = (mean_and_95(far, f"{what}_camera") for what in ("without", "with"))
        lines.append([f"{off_axis}°", without, corrected, mean_and_95(near, "with_camera")])
    return table(("off the axis", "without camera", "with camera", "near, with camera"), lines)


def smoothing_figures() -> dict[tuple[str, str], dict[str, float]]:
    return {
        (r["parameters"]["what"], r["parameters"]["setting"]): r["figures"] for r in results("smoothing", "smoothing")
    }


def smoothing() -> str:
    """video.md: jitter and lag of the filter."""
    figures = smoothing_figures()
    lines = []
    for title, what, setting, has_lag in (
        ("the video, seven faces", "the video", "as it is", False),
        ("known turns with the video's noise", "known turns", "as it is", True),
        ("known rest with the video's noise", "known rest", "as it is", False),
        ("known turns, sigma ignored", "known turns", "sigma ignored", True),
    ):
        by = figures[what, setting]
        jitter = f"{by['jitter_before_deg']:.2f}° to {by['jitter_after_deg']:.2f}°, {by['cut_percent']:.0f} % less"
        lines.append([title, jitter, f"{by['mean_lag_frames']:.2f} frames" if has_lag else ""])
    return table(("", "jitter", "lag"), lines)


def pipeline() -> str:
    """video.md: the pipeline beside a plain loop, and its endurance."""
    (timed,), (stages,), (endurance,) = (
        results("video", "video"),
        results("video", "stages"),
        results("endurance", "endurance"),
    )
    ratio, long = rows(timed)["loop"]["ratio"], endurance["figures"]
    least = min(value for name, value in stages["figures"].items() if name.endswith("_accounted_percent"))
    lines = [
        ("time of a plain loop", f"{ratio['median']:.2f} times ({ratio['p10']:.2f} to {ratio['p90']:.2f})"),
        ("part of a thread's life that no stage accounts for", f"at most {100 - least:.1f} %"),
        (
            f"growth of resident memory in {long['frames']:,} frames, first to last quarter",
            f"{long['growth_kb']:+.0f} KB",
        ),
        ("threads and files left open after that", f"{long['threads_left']} and {long['files_left']}"),
    ]
    return table(("", ""), lines)


def cameras_live() -> str:
    """cameras.md: eight cameras in real time."""
    (result,) = results("cameras", "live")
    by = result["figures"]
    faults = (by[name] for name in ("lost", "out_of_order", "failed", "wrong"))
    latency = [max(value for name, value in by.items() if name.endswith(f"_p{percent}_ms")) for percent in (50, 90, 99)]
    lines = [
        ("frames answered per camera", f"{by['answered_least']:.0f} to {by['answered_most']:.0f}"),
        ("lost, out of order, failed, wrong", ", ".join(map(str, faults))),
        ("latency of the slowest camera, p50, p90, p99", f"{latency[0]:.1f}, {latency[1]:.0f}, {latency[2]:.0f} ms"),
        ("growth of resident memory, first to last quarter", f"{by['growth_kb']:.0f} KB"),
    ]
    return table(("", ""), lines)


def cameras_throughput() -> str:
    """cameras.md: the batcher beside plain calls."""
    (result,) = results("cameras", "throughput")
    by = rows(result)
    lines = [
        (title, f"{by[name]['ratio']['median']:.2f}")
        for name, title in (
            ("one at a time", "one frame at a time, one thread"),
            ("one at a time, all cores", "one frame at a time, the network on all cores"),
            ("a thread per camera", "a thread per camera at one engine of one thread"),
        )
    ]
    return table(("", "times as long as the batcher"), lines)


def triton_calls() -> str:
    """triton.md: single calls of the server beside the engine's."""
    lines = []
    for result in results("triton", "frame"):
        by, parameters = rows(result), result["parameters"]
        engine, served = (by[name]["time_us"]["median"] / 1e3 for name in ("engine", "Triton"))
        size = f"{parameters['width']} × {parameters['height']}"
        lines.append([size, str(parameters["faces"]), f"{engine:.2f}", f"{served:.1f}", f"{served - engine:.1f}"])
    return table(["frame", "faces", "engine, ms", "Triton, ms", "overhead, ms"], lines)


def triton_load() -> str:
    """triton.md: clients at the same time."""
    (result,) = results("triton", "load")
    by, parameters = result["figures"], result["parameters"]
    count = parameters["clients"] * parameters["requests_each"]
    lines = [
        ["clients, requests", f"{parameters['clients']}, {count}"],
        ["frames per second", f"{by['frames_per_s']:.0f}"],
        ["latency: median, 99th percentile", f"{by['p50_ms']:.0f} ms, {by['p99_ms']:.0f} ms"],
        ["faces, runs of the network", f"{by['network_faces']:g}, {by['network_runs']:g}"],
        ["wrong answers", f"{by['wrong']:g}"],
    ]
    return table(["", ""], lines)


def ray_jobs() -> str:
    """ray.md: the same videos in one process and on a Ray cluster."""
    (result,) = results("ray", "videos")
    by, given = result["figures"], result["parameters"]
    lines = []
    for title, name in (
        ("one process, one thread", "one_core"),
        (f"one process, {given['workers']} threads", "all_cores"),
        (f"Ray, {given['workers']} workers of one thread", "ray"),
        ("Ray, one frame per video: the start of the workers", "smallest_job"),
    ):
        lines.append([title, f"{by[f'{name}_processor_s']:.1f} s", f"{by[f'{name}_s']:.0f} s"])
    beyond = (by["ray_processor_s"] - by["smallest_job_processor_s"]) / by["one_core_processor_s"]
    lines.append(["Ray without that start, over one process", f"{beyond:.2f} times", ""])
    lines.append(["start of the cluster", "", f"{by['cluster_start_s']:.0f} s"])
    return table([f"{given['frames']:,} frames, {given['faces']:,} faces", "processor time", "by the clock"], lines)


def ray_arithmetic() -> str:
    """ray.md: 100,000 videos from the measured times and bytes."""
    (result,), (resume,) = results("ray", "videos"), results("ray", "resume")
    by, given = result["figures"], result["parameters"]
    videos, length_s, rate, cores, frame_bytes = 100_000, 60, 25, 64, 1280 * 720 * 3
    frames = videos * length_s * rate
    speed, faces = given["frames"] / by["one_core_processor_s"], given["faces"] / given["frames"]
    core_hours, rows_of_all = frames / speed / 3600, frames * faces
    lines = [
        ("v, frames per second of processor time", "measured", f"{speed:.0f}"),
        ("f, faces per frame", "measured", f"{faces:.1f}"),
        ("b, bytes of Parquet per row", "measured", f"{by['parquet_bytes_per_row']:.0f}"),
        ("frames", "n · s · r", f"{frames / 1e6:.0f} million"),
        ("core hours", "frames / (3600 · v)", f"{core_hours:,.0f}"),
        (f"days on w = {cores} free cores", "core hours / (24 · w)", f"{core_hours / 24 / cores:.1f}"),
        ("rows", "frames · f", f"{rows_of_all / 1e6:,.0f} million"),
        ("Parquet", "rows · b", f"{rows_of_all * by['parquet_bytes_per_row'] / 1e9:.0f} GB"),
        (
            "a video's rows in the object store, until they are written",
            f"s · r · f · {by['arrow_bytes_per_row']:.0f} bytes",
            f"{length_s * rate * faces * by['arrow_bytes_per_row'] / 1e6:.1f} MB",
        ),
        ("frames, never stored", "frames · 1280 · 720 · 3 bytes", f"{frames * frame_bytes / 1e12:.0f} TB"),
        ("lost with a worker, at most", "s · r / v", f"{length_s * rate / speed:.0f} s of its work"),
        (
            "`resume` or `progress`, a file per video on a local disk",
            f"n · {resume['figures']['processor_ms']:.2f} ms",
            f"{videos * resume['figures']['processor_ms'] / 1e3:.0f} s of processor time",
        ),
    ]
    return table(["", "", f"n = {videos:,} videos of s = {length_s} s, r = {rate} frames per second"], lines)


def browser_poses() -> str:
    """browser.md: the JavaScript library beside the engine."""
    lines = []
    for result in results("browser", "poses"):
        by, threads = result["figures"], result["parameters"]["threads"]
        if result["parameters"]["faces"] > 1:
            continue  # on the busy machine such calls were always interrupted
        title = f"{result['parameters']['where']}, {threads} thread{'s' * (threads > 1)}"
        times = [f"{by[f'{name}_fastest_ms']:.2f}" for name in ("whole", "crop", "network", "engine")]
        apart = f"{by['largest_difference_deg']:.0e}°"
        lines.append([title, *times, apart])
    header = ["", "one face, ms", "of it crop", "of it network", "PoseEngine, ms", "largest difference"]
    return table(header, lines)


def precision_figures() -> dict[str, Result]:
    return {r["parameters"]["file"]: r for r in results("precision", "precision")}


def precision() -> str:
    """precision.md: FP16 and INT8 beside FP32."""
    forms = precision_figures()
    times = {name: row["ratio"]["median"] for r in results("precision", "network") for name, row in rows(r).items()}
    lines = []
    for name in [f"{network}{suffix}" for network in PUBLISHED for suffix in ("", "-fp16", "-int8")]:
        by = forms[name]["figures"]
        changed = ["", "", ""] if name in PUBLISHED else changes(by)
        title = f"{name}, `--auto`" if name == "fsanet-var-int8" else name
        time = "1" if name in PUBLISHED else f"{times[name]:.1f}"
        lines.append([title, *degrees([by["mean_mae_deg"]]), *changed, kilobytes(by), time])
    return table(("file", "MAE", "change, mean", "p99", "worst", "size", "time"), lines)


def fp16_gate() -> str:
    """precision.md: FP16 with every intermediate result rounded."""
    forms = precision_figures()
    by_name = {f"{network}-fp16": forms[f"{network}-fp16"]["figures"] for network in PUBLISHED}
    lines = [
        [name, *degrees(by[f"gate_{what}_deg"] for what in ("mean", "p99", "worst"))] for name, by in by_name.items()
    ]
    return table(("file", "mean", "p99", "worst"), lines)


def calibration() -> str:
    """precision.md: the methods that find the ranges of activations."""
    forms = precision_figures()
    lines = []
    for method, suffix, clips in (
        ("`percentile` (default)", "int8", "one magnitude in 100,000"),
        ("`minmax`", "minmax", "nothing"),
        ("`entropy`", "entropy", "where the distribution changes least"),
    ):
        figures = [forms[f"{network}-{suffix}"]["figures"] for network in ("lightweight", "fsanet-1x1")]
        found = [[by[f"{what}_deg"] for what in ("mean_mae", "change_mean", "gate_p99")] for by in figures]
        lines.append([method, clips, *(", ".join(degrees(values)) for values in found)])
    columns = (f"{network}: MAE, change, gate's p99" for network in ("lightweight", "fsanet-1x1"))
    return table(("method", "clips", *columns), lines)


def tail_suites() -> list[str]:
    """Names of the committed runs of the suite ``tails``, one for each network."""
    return sorted(path.stem.removeprefix("amd-epyc-") for path in RESULTS.glob("amd-epyc-tails-*.json"))


def tails() -> str:
    """precision.md: INT8 on hard faces, by backend."""
    lines = []
    for suite in tail_suites():
        times = {name: row["ratio"]["median"] for r in results(suite, "network") for name, row in rows(r).items()}
        for result in results(suite, "tails"):
            by, given = result["figures"], result["parameters"]
            if given["numbers"] != "int8" or given["crops"] not in ("all hard crops", "confident"):
                continue
            _, comma, backend = given["form"].partition(", ")
            reference = given["file"].removesuffix("-int8") + comma + backend
            moved = degrees(by[f"{name}_deg"] for name in ("mean", "p99", "p999", "worst"))
            ratio = f"{times[given['form']] / times[reference]:.2f}"
            name = "OpenVINO" if backend else "ONNX Runtime"
            crops = f"{by['number']:.0f} {given['crops'].removeprefix('all ').removesuffix(' crops')}"
            lines.append([given["file"], name, str(given["layers in float32"]), crops, *moved, ratio])
    header = ("file", "by", "layers in FP32", "crops", "mean", "p99", "p99.9", "worst", "time over FP32")
    return table(header, lines)


def level_noise() -> str:
    """precision.md: the change of the FP32 poses by noise of half a level."""
    lines = []
    for suite in tail_suites():
        for result in results(suite, "noise"):
            by, given = result["figures"], result["parameters"]
            moved = degrees(by[f"{name}_deg"] for name in ("mean", "p99", "p999", "worst"))
            lines.append([given["file"], f"{by['number']:.0f} {given['crops'].removesuffix(' crops')}", *moved])
    return table(("FP32 network", "crops", "mean", "p99", "p99.9", "worst"), lines)


def disturbances() -> str:
    """precision.md: the worst of each kind of face, by ONNX Runtime."""
    by: dict[str, dict[str, dict[str, float]]] = {}
    for suite in tail_suites():
        for result in results(suite, "tails"):
            given = result["parameters"]
            if given["numbers"] == "int8" and given["form"] == given["file"]:
                by.setdefault(given["crops"], {})[given["file"]] = result["figures"]
    files = list(by["plain"])
    lines = [
        [kind, *(", ".join(degrees(of[file][f"{name}_deg"] for name in ("mean", "p99", "worst"))) for file in files)]
        for kind, of in by.items()
        if not kind.startswith("all") and kind not in ("confident", "doubtful")
    ]
    return table(("crops", *(f"{file}: mean, p99, worst" for file in files)), lines)


def card_facts() -> str:
    """Model card: size and time."""
    (size,) = (r["figures"] for r in results("card-precision", "precision") if r["parameters"]["file"] == EMBEDDED)
    (times,) = (rows(r) for r in results("card-engine", "engine") if r["parameters"]["faces"] == 1)
    network, whole = (f"{times[name]['time_us']['median'] / 1e3:.2f} ms" for name in ("session.run", "engine"))
    lines = [
        ("file", kilobytes(size)),
        ("network, one face, one thread of an Intel Xeon", network),
        ("from image and box to pose", whole),
    ]
    return table(("", ""), lines)


def measured_boxes() -> list[str]:
    """Return the sources of boxes that the embedded model was measured with."""
    return [boxes for boxes in BOXES if (EMBEDDED, boxes) in embedded_errors()]


def card_errors() -> str:
    """Model card: errors by box and by band of yaw."""
    lines = []
    for boxes in measured_boxes():
        for model in (EMBEDDED, *TEACHERS):
            by = embedded_errors()[model, boxes]
            errors = degrees(by[f"{name}_mae_deg"] for name in (*ANGLES, "mean"))
            bands = degrees((by[f"mean_mae_deg_yaw_{band}"] for band in ("0_to_30", "30_to_60", "60_to_180")), 1)
            rotations = degrees((by["rotation_deg"], by["rotation_deg_yaw_60_to_180"]), 1)
            lines.append([model, BOXES[boxes], f"{by['faces']}", *errors, *bands, *rotations])
    bands = (r"\|yaw\| < 30°", "30–60°", "> 60°", "rotation", "> 60°")
    return table(("model", "boxes", "faces", *ANGLES, "mean", *bands), lines)


def card_targets() -> str:
    """Model card: targets, and what was reached."""
    errors = embedded_errors()
    (own, *teachers) = (errors[model, "landmarks"] for model in (EMBEDDED, *TEACHERS))
    detectors = [boxes for boxes in measured_boxes() if boxes != "landmarks"]
    worse = [
        by["mean_mae_deg"] - by["mean_mae_deg_of_these_with_landmarks"]
        for by in (errors[EMBEDDED, boxes] for boxes in detectors)
    ]
    lines = []
    for title, limit, name, digits in (
        ("MAE, landmark boxes", 3.6, "mean_mae_deg", 2),
        ("rotation, landmark boxes", 5.2, "rotation_deg", 2),
        ("rotation beyond 60° of yaw, landmark boxes", 8, "rotation_deg_yaw_60_to_180", 1),
    ):
        found, *others = degrees((by[name] for by in (own, *teachers)), digits)
        lines.append([title, f"at most {limit}°", found, ", ".join(others)])
    added = ", ".join(f"{value:+.2f}°" for value in worse)
    names = ", by ".join(f"{BOXES[boxes]}'s" for boxes in detectors).replace("'s", "'s boxes", 1)
    lines.append([f"MAE added by {names}, on the same faces", "at most 0.4°", added, ""])
    return table(("", "target", "found", "teachers"), lines)


def card_differences() -> str:
    """Model card: this model minus each teacher on the same faces."""
    lines = []
    for boxes in (boxes for boxes in measured_boxes() if boxes != "haar"):  # which finds the easy faces
        for model in TEACHERS:
            by = embedded_errors()[model, boxes]
            cells = [
                f"{by[name]:+.2f}° ({by[f'{name}_low']:+.2f} to {by[f'{name}_high']:+.2f})"
                for name in ("first_minus_this_mean_mae_deg", "first_minus_this_rotation_deg")
            ]
            lines.append([BOXES[boxes], model, *cells])
    return table(("boxes", "minus", "mean of the angles", "rotation"), lines)


def card_slopes() -> str:
    """Model card: slopes of the estimates over the labels, with landmark boxes."""
    lines = []
    for model in (EMBEDDED, *TEACHERS):
        by = embedded_errors()[model, "landmarks"]
        cells = [
            f"{by[f'{angle}_slope_yaw_{band}']:.2f}"
            for band in ("0_to_30", "30_to_60", "60_to_180")
            for angle in ("pitch", "roll")
        ]
        lines.append([model, *cells])
    bands = (r"\|yaw\| < 30°", "30–60°", "> 60°")
    return table(("model", *(f"{angle}, {band}" for band in bands for angle in ("pitch", "roll"))), lines)


def python_per_frame() -> str:
    """gpu.md: what hpe_edge adds on the host, per frame."""
    found = [(r["parameters"]["case"], r["figures"]["median_us"]) for r in results("python-per-frame", "python")]
    return table(("", "per frame"), [[case, f"{time_us:.{int(time_us < 100)}f} µs"] for case, time_us in found])


def upright() -> str:
    """upright.md: crops as they are, and turned."""
    found = {
        (r["parameters"]["model"], r["parameters"]["boxes"], r["parameters"]["upright"]): r["figures"]
        for r in results("upright", "error")
    }
    names = {"landmarks": "landmarks, no key points", "yunet_n_640_640": "YuNet", "scrfd_500m_kps": "SCRFD 500M"}
    lines = []
    for (model, boxes, way), by in found.items():
        if way != "none":
            continue
        turned = [found[model, boxes, each] for each in ("keypoints", "second-pass")]
        cells = [f"{each['mean_mae_deg']:.2f}° / {each['rotation_deg']:.2f}°" for each in (by, *turned)]
        lines.append([model, names[boxes], *cells])
    return table(("model", "boxes", "`None`", "`keypoints`", "`second-pass`"), lines)


LIGHTS = ("30% of the light", "10% of the light", "5% of the light", "30% of the contrast", "10% of the contrast")


def dark() -> str:
    """video.md: rotation from the answer in daylight, by the network alone and on stretched crops."""
    found = {
        (r["parameters"]["model"], r["parameters"]["light"]): r["figures"] for r in results("consistency", "light")
    }
    lines = []
    for model in dict.fromkeys(model for model, _ in found):
        cells = []
        for light in LIGHTS:
            by = found[model, light]
            cells.append(f"{by['network_alone_mean_deg']:.1f}° → {by['stretched_mean_deg']:.1f}°")
        lines.append([model, *cells])
    return table(["model", *(light.replace("%", " %") for light in LIGHTS)], lines)


def searched() -> str:
    """upright.md: what the search changes on faces turned all around, and on boxes without a face."""
    by_kind = {
        kind: {
            (r["parameters"]["model"], r["parameters"]["search"]): r["figures"] for r in results("consistency", kind)
        }
        for kind in ("turned", "no face")
    }
    lines = []
    for model, search in by_kind["turned"]:
        turned, empty = (by_kind[kind][model, search] for kind in ("turned", "no face"))
        off = degrees((turned["mean_deg"], turned["p99_deg"]), 1)
        lines.append(
            [model, search, *off, *(f"{share:.1f} %" for share in (turned["beyond_30_percent"], empty["sure_percent"]))]
        )
    header = ["model", "search", "mean", "99th percentile", "beyond 30°", "boxes without a face with a sigma below 12°"]
    return table(header, lines)


def native_code() -> str:
    """native.md: microseconds of one face, and times of ONNX Runtime FP32 beside it; others by the first run."""
    by_path = {result["parameters"]["path"]: rows(result) for result in results("native", "one face")}

    def line(label: str, timed: dict[str, dict[str, Any]], runtime: str) -> list[str]:
        pair = (timed.get(f"{runtime} {precision}") for precision in ("int8", "fp32"))
        return [
            label,
            *(f"{each['time_us']['median']:.0f}, {each['ratio']['median']:.2f}" if each else "" for each in pair),
        ]

    lines = [line(f"native, `{path}`", timed, "native") for path, timed in by_path.items()]
    first = next(iter(by_path.values()))
    others = {"ONNX Runtime": "onnxruntime", "OpenVINO": "openvino", "ncnn": "ncnn", "MNN": "mnn"}
    return table(["", "INT8", "FP32"], [*lines, *(line(label, first, name) for label, name in others.items())])


def installs() -> str:
    """first_pose.md: a wheel in a new environment, per Python; the sizes of the others differ by what NumPy takes."""
    pythons: dict[str, dict[str, dict[str, float]]] = {}
    for each in results("install", "install"):
        pythons.setdefault(each["parameters"]["python"], {})[each["parameters"]["extras"]] = each["figures"]
    lines = []
    for tag, by in pythons.items():
        cells = [f"{by[e]['install_seconds']:.0f} s, {by[e]['installed_mb']:.0f} MB" for e in by]
        first = by["none"]["first_pose_seconds"], by["video"]["demo_seconds"]
        lines.append([f"{tag[2]}.{tag[3:]}", *cells, *(f"{seconds:.2f} s" for seconds in first)])
    extras = (f"`[{e}]`" if e != "none" else "no extras" for e in next(iter(pythons.values())))
    return table(["Python", *extras, "a pose, from start to end", "`hpe-edge demo`"], lines)


def regions() -> str:
    """whole_picture_models.md: RoIAlign and suppression beside those of others."""
    lines = []
    for name in ("RoIAlign", "suppression"):
        for each in results("regions", name):
            times = {row: by["time_us"]["median"] for row, by in rows(each).items()}
            cells = (f"{us / 1e3:.3f} ms" if us < 1e3 else f"{us / 1e3:.1f} ms" for us in times.values())
            lines.append([name, str(each["parameters"]["boxes"]), *cells])
    return table(["", "boxes", "hpe_edge", "ONNX Runtime", "PyTorch"], lines)


def frame_to_angles() -> str:
    """native.md: the whole way of one face, beside the plain pipeline."""
    (result,) = results("native", "frame to angles")
    lines = [
        [name, f"{by['time_us']['median']:.0f} µs", f"{1 / by['ratio']['median']:.1f}"]
        for name, by in rows(result).items()
    ]
    return table(("", "one face", "times as fast"), lines)


def turned() -> str:
    """upright.md: photos turned in the plane."""
    found = {r["parameters"]["roll"]: r["figures"] for r in results("turned", "turned")}
    rolls = sorted(found)
    shown = [roll for roll in rolls if roll % 45 == 0]
    measures = {"mean absolute error of the angles": "mae_deg", "mean rotation off": "rotation_deg"}
    lines = [
        [name, *(f"{found[roll][key]:.1f}°" for roll in shown), f"{max(found[roll][key] for roll in rolls):.1f}°"]
        for name, key in measures.items()
    ]
    return table(("roll", *(f"{roll}°" for roll in shown), f"worst of {len(rolls)}"), lines)


def card_judgement() -> str:
    """Model card: the protocol without labels."""
    records = json.loads((ROOT / "docs" / "distillation" / "judgement.json").read_text(encoding="utf-8"))
    names = [Path(each["model"]).stem for each in records]
    lines = []
    for what in records[0]["measures"]:
        cells = [each["measures"][what] for each in records]
        lines.append([what, *(f"{by['mean_deg']:.1f} / {by['p99_deg']:.1f}" for by in cells)])
    for band in records[0]["bands"]:
        cells = [each["bands"][band] for each in records]
        title = f"from the teachers, {band}".replace("|", r"\|")
        lines.append([title, *(f"{by['mean_deg']:.1f} / {by['p99_deg']:.1f}" for by in cells)])
    return table(("", *names), lines)


def card_sigma() -> str:
    """Model card: sigma beside the error."""
    everything, *angles = (r for r in results("card", "sigma") if r["parameters"]["model"] == EMBEDDED)
    lines = []
    for result in angles:
        by = result["figures"]
        within = [f"{by[f'within_{k}_sigma_percent']:.0f} %" for k in (1, 2)]
        sizes = degrees((by["rms_error_deg"], by["rms_sigma_deg"]), 1)
        lines.append([result["parameters"]["of"], f"{by['spearman']:.2f}", *sizes, *within])
    lines.append(["mean of the three", f"{everything['figures']['spearman']:.2f}", "", "", "", ""])
    header = ("", "rank correlation", "error, RMS", "sigma, RMS", "within 1 sigma", "within 2 sigma")
    return table(header, lines)


def card_sixths() -> str:
    """Model card: error of the yaw in sixths of the faces by sigma."""
    found = [r["figures"] for r in results("card", "calibration")][:6]
    return table(
        ("sixth of the faces, by sigma of the yaw", *map(str, range(1, 7))),
        [["error of the yaw, RMS", *degrees((by["rms_error_deg"] for by in found), 1)]],
    )


def shares(by: dict[str, float], k: int) -> list[str]:
    """Percentages of the errors within k sigma: yaw, pitch, roll and all."""
    found = []
    for name in (*ANGLES, "all"):
        spread = by.get(f"{name}_within_{k}_sigma_spread_percent")
        text = f"{by[f'{name}_within_{k}_sigma_percent']:.0f}"
        found.append(f"{text} ± {spread:.0f} %" if spread else f"{text} %")
    return found


COVERAGE_ROWS = {
    "of the bins": "as the bins give it",
    "calibrated, other faces": "calibrated; faces not used for it",
    "calibrated without labels": "calibrated without labels",
}


def coverage(models: Sequence[str]) -> str:
    """Errors within one and two sigma, before and after calibration."""
    lines = []
    for result in results("coverage", "coverage"):
        what, by = result["parameters"], result["figures"]
        if what["model"] in models and what["sigma"] in COVERAGE_ROWS:
            if "images" in what and what["model"] not in (EMBEDDED, *TEACHERS):
                continue  # FP16 and INT8 differ by a percent
            title = ", ".join([COVERAGE_ROWS[what["sigma"]], *([what["images"]] if "images" in what else [])])
            lines.append([what["model"], title, *shares(by, 1), shares(by, 2)[-1]])
    header = ("model", "sigma", *(f"{name} within 1" for name in ANGLES), "all within 1", "all within 2")
    return table(header, lines)


def all_coverage() -> str:
    """accuracy.md: the models whose angles come from bins."""
    return coverage([f"{model}{suffix}" for model in (EMBEDDED, "lightweight") for suffix in ("", "-int8")])


def card_coverage() -> str:
    """Model card: the same of the embedded model."""
    return coverage([EMBEDDED])


def stored_coverage() -> str:
    """Model card: errors within the embedded model's sigma by source of boxes."""
    names = {**BOXES, "scrfd_2.5g_kps": "SCRFD 2.5G", "scrfd_500m_kps": "SCRFD 500M"}
    lines = [
        [
            names[r["parameters"]["boxes"]],
            f"{r['figures']['faces']}",
            *shares(r["figures"], 1),
            shares(r["figures"], 2)[-1],
        ]
        for r in results("coverage", "coverage")
        if r["parameters"]["model"] == EMBEDDED and "boxes" in r["parameters"]
    ]
    return table(("boxes", "faces", *(f"{name} within 1" for name in ANGLES), "all within 1", "all within 2"), lines)


DOUBT_IMAGES = {
    "labelled photos": "195 labelled photos",
    "video": "video, every 4th frame",
    "without_mask": "photos of people",
    "with_mask": "photos of people with masks",
    "objects": "photos of objects",
}
DOUBT_DETECTORS = {
    "haar": "Haar",
    "face-detector": "face-detector",
    "yunet_n_640_640": "YuNet",
    "scrfd_2.5g_kps": "SCRFD",
}


def doubt() -> str:
    """accuracy.md: false boxes dropped and faces lost at the embedded model's limit."""
    found = {(r["parameters"]["images"], r["parameters"]["detector"]): r["figures"] for r in results("doubt", "doubt")}
    lines = []
    for images, title in DOUBT_IMAGES.items():
        for detector, name in DOUBT_DETECTORS.items():
            if (images, detector) not in found:
                continue
            by = found[images, detector]
            false = f"{by['false_boxes_dropped']} of {by['false_boxes']}" if detector == "haar" else ""
            if images == "objects":  # what two detectors agree on there are animals, mostly
                lines += [[title, name, false, "", "", "", ""]] * bool(false)
                continue
            bands = [
                f"{by[f'faces_lost_yaw_{band}']} of {by[f'faces_yaw_{band}']}"
                for band in ("0_to_30", "30_to_60", "60_to_180")
            ]
            lines.append([title, name, false, f"{by['faces_lost']} of {by['faces']}", *bands])
    bands = (r"\|yaw\| < 30°", "30–60°", "> 60°")
    return table(("images", "boxes", "false boxes dropped", "faces lost", *bands), lines)


def box_fits() -> str:
    """detector.md: the fits of detectors' boxes, and what raw and fitted boxes add to the error."""
    errors = {
        (r["parameters"]["boxes"], r["parameters"]["model"]): r["figures"]
        for r in results("box-fits", "error")
        if r["parameters"]["boxes"] != "all"
    }
    lines = []
    for result in results("box-fits", "fit"):
        boxes, fit = result["parameters"]["boxes"], result["figures"]
        added = []
        for model in (EMBEDDED, "lightweight"):
            by = errors.get((boxes, model))
            for what in ("raw", "fitted"):
                text = "" if by is None else f"{by[f'{what}_added_deg']:+.2f}"
                if by is not None and what == "fitted":
                    text += f" ({by['fitted_added_low_deg']:+.2f} to {by['fitted_added_high_deg']:+.2f})"
                added.append(text)
        numbers = [f"{fit[name]:.3f}" for name in ("width", "height", "down")]
        lines.append([f"`{boxes}`", f"{fit['faces']:.0f}" if fit.get("faces") else "", *numbers, *added])
    columns = (f"{model}: {what}" for model in (EMBEDDED, "lightweight") for what in ("raw", "fitted"))
    return table(("boxes", "faces", "width", "height", "down", *columns), lines)


def limits() -> str:
    """accuracy.md: other limits."""
    columns = {
        "haar_false_boxes_dropped_video": "Haar's false boxes dropped: video",
        "haar_false_boxes_dropped_objects": "objects",
        "faces_lost_labelled_photos": "faces lost: labelled photos",
        "faces_lost_video": "video",
        "faces_lost_without_mask": "people",
        "faces_lost_with_mask": "people with masks",
    }
    lines = [
        [f"{r['parameters']['limit_deg']}°", *(f"{r['figures'][f'{name}_percent']:.1f} %" for name in columns)]
        for r in results("doubt", "limits")
    ]
    return table(("limit", *columns.values()), lines)


def measures() -> str:
    """accuracy.md: measures of doubt beside each other."""
    lines = [
        [r["parameters"]["measure"], f"{r['figures']['roc_area']:.4f}", f"{r['figures']['faces_lost_percent']:.2f} %"]
        for r in results("doubt", "measures")
    ]
    return table(("measure", "area under the ROC", "faces lost where 90 % of the false boxes are dropped"), lines)


def card_precision() -> str:
    """Model card: FP16 and INT8."""
    lines = [
        [r["parameters"]["file"], *degrees([by["mean_mae_deg"]]), *changes(by), kilobytes(by)]
        for r in results("card-precision", "precision")
        for by in [r["figures"]]
    ]
    return table(("file", "MAE", "change, mean", "p99", "worst", "size"), lines)


def card_training() -> str:
    """Model card: the run that made the weights."""
    log = (ROOT / "docs" / "distillation" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    steps = [json.loads(line) for line in log]
    lines = [
        ("views", f"{steps[-1]['views']:,}"),
        ("time", f"{sum(step['seconds'] for step in steps) / 60:.0f} minutes"),
        ("mean rotation from the teachers, held-out faces", f"{steps[-1]['kept_error_deg']:.2f}°"),
    ]
    return table(("", ""), lines)


def rtx_builds() -> str:
    """tensorrt_rtx.md: plans of TensorRT-RTX by family and precision."""
    plans: dict[str, dict[str, Result]] = {}
    for result in results("rtx-builds", "build"):
        given = result["parameters"]
        name = given["precision"] if given["for"] == "ampere-plus" else given["for"]
        plans.setdefault(given["model"], {})[name] = result
    lines = []
    for model, by in plans.items():
        cells = [rtx_plan(by[name]) for name in ("fp32", "fp16", "int8", "turing")]
        half, quarter = by["fp16"]["figures"], by["int8"]["figures"]
        share, ratio = f"{half['fp16_percent']:.0f} %", ""
        if quarter.get("built"):
            ratio = f"{quarter['int8_layers_fused']} of {quarter['int8_layers']}"
            ratio += f", {quarter['kernels'] / half['kernels']:.1f} times the kernels"
        lines.append([model, *cells[:2], share, cells[2], ratio, cells[3]])
    header = ("family", "FP32", "FP16", "on FP16", "INT8", "INT8 layers fused", "FP16 for Turing")
    return table(header, lines)


def rtx_plan(result: Result) -> str:
    """Seconds, size and kernels of a plan, or what it lacks."""
    by = result["figures"]
    if not by:
        return "no layer may be INT8"
    if not by["built"]:
        return "parsed, not built" if by["parsed"] else "not parsed"
    return f"{by['build_seconds']:.1f} s, {by['plan_bytes'] / 1e6:.1f} MB, {by['kernels']}"


def deepstream() -> str:
    """deepstream.md: degrees between a folder's poses, with nvinfer emulated, and PoseEngine's."""
    titles = {"scaling": "sampled at pixel {}", "pixels": "{} pixels wide"}
    lines = []
    for result in results("deepstream", "difference"):
        about, by = dict(result["parameters"]), result["figures"]
        crop, faces = about.pop("crop"), str(about.pop("faces"))
        what = ", ".join([crop, *(titles[name].format(each) for name, each in about.items())])
        lines.append([what, faces, *degrees(by[f"{name}_deg"] for name in ("mean", "median", "p90", "p99"))])
    return table(("crop", "faces", "mean", "median", "90 %", "99 %"), lines)


def deepstream_time() -> str:
    """deepstream.md: the variant in ONNX Runtime beside the engine's backend and decode."""
    (by,) = (rows(result) for result in results("deepstream", "network and decode"))
    cells = [f"{by[name]['time_us']['median']:.0f} µs" for name in ("engine", "variant")]
    return table(("", "engine", "in the graph"), [["network and decode", *cells]])


def ros() -> str:
    """ros2.md: records beside the engine."""
    lines = []
    for result in results("ros", "record"):
        by = rows(result)
        times = [f"{by[name]['time_us']['median']:.0f} µs" for name in ("engine", "MCAP", "CSV")]
        lines.append([str(result["parameters"]["faces"]), *times])
    return table(("faces", "engine", "MCAP", "CSV"), lines)


def rtx_version() -> str:
    """tensorrt_rtx.md: the library of the table."""
    (library,) = results("rtx-builds", "library")
    done = [r["figures"] for r in results("rtx-builds", "build") if r["figures"]]
    built = sum(by["built"] for by in done)
    version = library["parameters"]["tensorrt_rtx"]
    return f"TensorRT-RTX {version}: {sum(by['parsed'] for by in done)} of {len(done)} parsed, {built} built.\n"


DETECTORS = {
    "face-detector": "**face-detector**",
    "face-detector, scheduled": "**face-detector**, scheduled",
    "yunet_n_640_640": "YuNet",
    "scrfd_500m_kps": "SCRFD 500M",
    "centerface": "CenterFace",
    "haar": "Haar",
}


def found_by(name: str) -> list[tuple[str, dict[str, Any]]]:
    """Titles and figures of the detectors on one kind of pictures."""
    by = {r["parameters"]["detector"]: r["figures"] for r in results("detectors", name)}
    return [(title, by[detector]) for detector, title in DETECTORS.items() if detector in by]


def percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} %"


def detector_photos() -> str:
    """Detector card: labelled photos."""
    names = ("found_yaw_0", "found_yaw_30", "found_yaw_60", "found_small")
    lines = [
        [title, *(percent(by[f"{name}_percent"]) for name in names), f"{by['iou_median']:.2f}"]
        for title, by in found_by("photos")
    ]
    header = ("photos", r"\|yaw\| < 30°", "30–60°", "> 60°", "28 pixels", "overlap, median")
    return table(header, lines)


def detector_scenes() -> str:
    """Detector card: scenes that were held out."""
    names = ("found", "found_below_24", "found_below_48", "found_below_96", "found_below_1000")
    lines = [
        [
            title,
            *(percent(by[f"{name}_percent"]) for name in names),
            "" if by["points_median"] is None else f"{100 * by['points_median']:.1f} %",
            f"{by['false_in_200']:.1f}",
        ]
        for title, by in found_by("scenes")
    ]
    sizes = ("below 24 pixels", "24–48", "48–96", "larger")
    return table(("scenes", "found", *sizes, "key points off, of the side", "false boxes in 200 empty scenes"), lines)


def detector_video() -> str:
    """Detector card: a video."""
    lines = [
        [title, percent(by["complete_frames_percent"]), percent(by["false_percent"]), f"{by['mean_ms']:.1f} ms"]
        for title, by in found_by("video")
    ]
    return table(("video", "frames with all of YuNet's faces", "boxes elsewhere", "per frame"), lines)


def one_pass() -> str:
    """detectors.md: a pose head on the detector's features beside a second network."""
    lines = []
    for result in results("one-pass", "agreement"):
        by, cells = result["figures"], [str(result["parameters"]["size"]), str(result["figures"]["faces"])]
        for name in ("one_pass", "two_networks"):
            cells.append(" / ".join(degrees(by[f"{name}_{what}_deg"] for what in ("mean", "p99"))))
        low, high = (by[f"difference_{end}_deg"] for end in ("low", "high"))
        lines.append([*cells, f"{by['difference_mean_deg']:+.2f}° ({low:+.2f} to {high:+.2f})"])
    return table(("pixels", "faces", "from its features", "second network", "difference (95 %)"), lines)


def c_interface() -> str:
    """c_interface.md: the example in C++ beside PoseEngine."""
    (by,) = (result["figures"] for result in results("c-interface", "program"))
    cells = [f"{by[f'{name}_median_us']:.0f} µs" for name in ("c", "python")]
    return table(("", "C++", "Python"), [["one face, frame to pose", *cells]])


_LIBRARIES = {"ncnn": "ncnn", "mnn": "MNN", "openvino-ir": "OpenVINO", "tflite": "LiteRT", "rknn": "RKNN's simulator"}


def edge(weights: str) -> str:
    """edge.md: converted models, those with trained or with untrained weights."""
    lines = []
    for result in results("edge", "converted"):
        about, by = result["parameters"], result["figures"]
        if about["weights"] != weights:
            continue
        name = f"{_LIBRARIES[about['to']]}{', FP16' * (about.get('precision') == 'fp16')}"
        if not by:
            lines.append([about["model"], name, "refused", "", "", "", "", ""])
            continue
        figures = degrees((by[f"{what}_deg"] for what in ("mean", "p999", "worst")), 4)
        gate = "" if by["passes"] else "fails"
        times = [""] if "ratio" not in by else [f"{by['fastest_ms']:.2f} ms, {by['ratio']:.2f} times"]
        lines.append([about["model"], name, *figures, gate, f"{by['bytes'] / 1e6:.2f} MB", *times])
    return table(
        ("model", "library", "mean", "99.9 %", "worst", "gate", "files", "one face, beside ONNX Runtime"), lines
    )


def edge_tools() -> str:
    """edge.md: versions of the converters and libraries."""
    tools = {
        tool for r in results("edge", "converted") for tool in r["parameters"].get("tools", "").split(", ") if tool
    }
    return f"Measured with {', '.join(sorted(tools, key=str.lower))}.\n"


PAGES: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {"models": models, "costs": costs},
    "docs/conventions.md": {"rectification": rectification},
    "docs/video.md": {"pipeline": pipeline, "smoothing": smoothing, "dark": dark},
    "docs/cameras.md": {"live": cameras_live, "throughput": cameras_throughput},
    "docs/ray.md": {"jobs": ray_jobs, "arithmetic": ray_arithmetic},
    "docs/browser.md": {"poses": browser_poses},
    "docs/triton.md": {"calls": triton_calls, "load": triton_load},
    "docs/deepstream.md": {"deepstream": deepstream, "deepstream time": deepstream_time},
    "docs/ros2.md": {"ros": ros},
    "docs/precision.md": {
        "precision": precision,
        "fp16 gate": fp16_gate,
        "calibration": calibration,
        "tails": tails,
        "level noise": level_noise,
        "disturbances": disturbances,
    },
    "docs/upright.md": {"upright": upright, "turned": turned, "searched": searched},
    "docs/c_interface.md": {"c-interface": c_interface},
    "docs/edge.md": {
        "edge": lambda: edge("trained"),
        "edge untrained": lambda: edge("untrained"),
        "edge tools": edge_tools,
    },
    "docs/guides/first_pose.md": {"installs": installs},
    "docs/whole_picture_models.md": {"regions": regions},
    "docs/native.md": {"native code": native_code, "frame to angles": frame_to_angles},
    "docs/gpu.md": {"python per frame": python_per_frame},
    "docs/tensorrt_rtx.md": {"rtx version": rtx_version, "rtx builds": rtx_builds},
    "docs/detectors.md": {"one pass": one_pass},
    "docs/guides/detector.md": {"box-fits": box_fits},
    "docs/accuracy.md": {"coverage": all_coverage, "doubt": doubt, "limits": limits, "measures": measures},
    "hpe_edge/models/face_detector.md": {
        "photos": detector_photos,
        "scenes": detector_scenes,
        "video": detector_video,
    },
    "hpe_edge/models/README.md": {
        "facts": card_facts,
        "errors": card_errors,
        "differences": card_differences,
        "slopes": card_slopes,
        "judgement": card_judgement,
        "targets": card_targets,
        "coverage": card_coverage,
        "stored coverage": stored_coverage,
        "sigma": card_sigma,
        "sixths": card_sixths,
        "precision": card_precision,
        "training": card_training,
    },
}


def filled(page: str, tables: dict[str, Callable[[], str]]) -> str:
    """Replace the tables of a page.

    Raises:
        ValueError: a table's two comments do not stand in the page once.
    """
    for name, write in tables.items():
        begin, end = f"<!-- {name}, written by docs/figures.py -->\n", f"<!-- end of {name} -->"
        if page.count(begin) != 1 or page.count(end) != 1:
            raise ValueError(f"{begin.strip()} and {end} must stand in the page once each")
        page = page[: page.index(begin) + len(begin)] + write() + page[page.index(end) :]
    return page


def main(argv: Sequence[str] | None = None) -> int:
    """Write the pages, or check them; returns the exit status."""
    check = list(sys.argv[1:] if argv is None else argv) == ["--check"]
    stale = False
    for name, tables in PAGES.items():
        path = ROOT / name
        before = path.read_text(encoding="utf-8")
        after = filled(before, tables)
        if after != before:
            stale = True
            print(f"{name}: {'out of date' if check else 'written'}")
            if not check:
                path.write_text(after, encoding="utf-8")
    return int(check and stale)


if __name__ == "__main__":
    sys.exit(main())

"""Engines, detectors and batchers of a parent process in its children, each test in processes with a time limit."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from hpe_edge import BackendError, DynamicBatcher, PoseEngine, open_detector, samples

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 90.0
START = """
import os, sys
import cv2
import numpy as np
from hpe_edge import BackendError, DynamicBatcher, PoseEngine, open_detector, samples

FRAME = cv2.imread(os.path.join(os.path.dirname(samples.__file__), "astronaut.jpg"))
BOX = [[181, 88, 269, 178]]

def ended(pid):
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""


def run(tmp_path: Path, body: str) -> str:
    """Run a script; fails if it, or a child of its that it waits for, hangs."""
    (tmp_path / "script.py").write_text(START + textwrap.dedent(body))
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))}
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=LIMIT_S
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("end", ["engine.close()", "del engine", "sys.exit(0)", "engine.close(); engine.close()"])
@pytest.mark.parametrize("used", [True, False])
def test_the_childs_end(tmp_path: Path, end: str, used: bool) -> None:
    run(
        tmp_path,
        f"""
        engine = PoseEngine(threads=2)
        before = engine(FRAME, BOX).angles
        pid = os.fork()
        if pid == 0:
            if {used}:
                np.testing.assert_array_equal(engine(FRAME, BOX).angles, before)
            {end}
            sys.exit(0)
        ended(pid)
        np.testing.assert_array_equal(engine(FRAME, BOX).angles, before)
        engine.close()
        """,
    )


def test_the_parents_sessions_are_neither_run_nor_freed(tmp_path: Path) -> None:
    """Freeing one waits for threads that the child does not have; by the number of cores, for ever."""
    run(
        tmp_path,
        """
        import gc, weakref
        import onnxruntime

        opened = weakref.WeakSet()
        open_session, run = onnxruntime.InferenceSession.__init__, onnxruntime.InferenceSession.run_with_iobinding

        def noted(self, *given, **more):
            opened.add(self)
            open_session(self, *given, **more)

        ran = []

        def noted_run(self, *given):
            ran.append(id(self))
            run(self, *given)

        run_faces = onnxruntime.InferenceSession.run

        def noted_run_faces(self, *given):
            ran.append(id(self))
            return run_faces(self, *given)

        onnxruntime.InferenceSession.run = noted_run_faces
        onnxruntime.InferenceSession.__init__ = noted
        onnxruntime.InferenceSession.run_with_iobinding = noted_run
        engine = PoseEngine("student-v2", backend="onnxruntime", threads=2)
        engine(FRAME)
        parents = set(map(id, opened))
        assert len(parents) >= 2  # of the poses and of the faces
        pid = os.fork()
        if pid == 0:
            ran.clear()
            assert len(engine(FRAME)) == 1
            assert ran and not parents & set(ran)
            engine.close()
            del engine
            gc.collect()
            assert parents <= set(map(id, opened))
            sys.exit(0)
        ended(pid)
        engine.close()
        del engine
        gc.collect()
        assert not opened
        """,
    )


def test_while_another_thread_runs(tmp_path: Path) -> None:
    """The lock that a thread of the parent holds is not waited for."""
    run(
        tmp_path,
        """
        import threading
        engine = PoseEngine(threads=1)
        engine.warmup()
        threading.Thread(target=lambda: [engine(FRAME) for _ in range(200)], daemon=True).start()
        for _ in range(5):
            pid = os.fork()
            if pid == 0:
                assert len(engine(FRAME)) == 1
                sys.exit(0)
            ended(pid)
        os._exit(0)
        """,
    )


def test_a_lock_that_another_thread_holds(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
        import threading
        engine = PoseEngine(threads=1)
        engine(FRAME)
        held = threading.Event()

        def hold():
            with engine._turn, engine._finder._guard:
                held.set()
                threading.Event().wait()

        threading.Thread(target=hold, daemon=True).start()
        held.wait()
        pid = os.fork()
        if pid == 0:
            assert len(engine(FRAME)) == 1
            engine.close()
            sys.exit(0)
        ended(pid)
        os._exit(0)
        """,
    )


def test_detectors(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
        detector = open_detector("face-detector")
        before = detector(FRAME).boxes
        pid = os.fork()
        if pid == 0:
            np.testing.assert_array_equal(detector(FRAME).boxes, before)
            sys.exit(0)
        ended(pid)
        """,
    )


def test_a_child_of_a_child(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
        engine = PoseEngine(threads=1)
        engine(FRAME, BOX)
        for _ in range(3):
            pid = os.fork()
            if pid:
                ended(pid)
                sys.exit(0)
            assert len(engine(FRAME, BOX)) == 1
        """,
    )


def test_openvino(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    run(
        tmp_path,
        """
        engine = PoseEngine(backend="openvino", threads=1)
        before = engine(FRAME, BOX).angles
        pid = os.fork()
        if pid == 0:
            np.testing.assert_allclose(engine(FRAME, BOX).angles, before, atol=1e-4)
            sys.exit(0)
        ended(pid)
        """,
    )


def test_batchers_refuse_in_words(tmp_path: Path) -> None:
    shown = run(
        tmp_path,
        """
        batcher = DynamicBatcher(PoseEngine(threads=1))
        stream = batcher.stream()
        pid = os.fork()
        if pid == 0:
            for call in (batcher.stream, lambda: stream.submit(FRAME, BOX), stream.result, lambda: list(stream)):
                try:
                    call()
                except BackendError as error:
                    print(error, flush=True)
            stream.close()
            batcher.close()
            sys.exit(0)
        ended(pid)
        stream.submit(FRAME, BOX)
        assert len(stream.result().poses) == 1
        """,
    )
    assert shown.count("make a DynamicBatcher in each process") == 4


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(tmp_path: Path, method: str) -> None:
    """An engine as an argument: inherited or pickled."""
    run(
        tmp_path,
        f"""
        import multiprocessing

        def work(engine, answers):
            answers.put(engine(FRAME, BOX).angles)

        if __name__ == "__main__":
            context = multiprocessing.get_context("{method}")
            engine = PoseEngine(threads=1, max_sigma=7.0)
            before, answers = engine(FRAME, BOX).angles, context.Queue()
            workers = [context.Process(target=work, args=(engine, answers)) for _ in range(2)]
            for worker in workers:
                worker.start()
            for worker in workers:
                np.testing.assert_array_equal(answers.get(), before)
            for worker in workers:
                worker.join()
                assert worker.exitcode == 0
        """,
    )


def test_torch_data_loader(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    run(
        tmp_path,
        """
        import torch

        class Poses(torch.utils.data.Dataset):
            def __init__(self):
                self.engine = PoseEngine(threads=1)
                self.engine(FRAME, BOX)

            def __len__(self):
                return 4

            def __getitem__(self, index):
                return self.engine(FRAME, BOX).angles

        assert len(list(torch.utils.data.DataLoader(Poses(), num_workers=2, multiprocessing_context="fork"))) == 4
        """,
    )


def test_asyncio(tmp_path: Path) -> None:
    """Threads of an event loop, and processes of a pool that it forks."""
    run(
        tmp_path,
        """
        import asyncio, multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        engine = PoseEngine(threads=1)

        def work(_):
            return engine(FRAME, BOX).angles

        async def main():
            in_threads = await asyncio.gather(*[asyncio.to_thread(work, k) for k in range(4)])
            with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
                loop = asyncio.get_running_loop()
                in_processes = await asyncio.gather(*[loop.run_in_executor(pool, work, k) for k in range(4)])
            for angles in (*in_threads, *in_processes):
                np.testing.assert_array_equal(angles, in_threads[0])

        asyncio.run(main())
        """,
    )


def test_gunicorn_preload(tmp_path: Path) -> None:
    """The application, with its engine, is loaded before the workers are forked; they answer and end."""
    pytest.importorskip("gunicorn")
    (tmp_path / "app.py").write_text(
        START
        + textwrap.dedent(
            """
            engine = PoseEngine(threads=1)
            engine(FRAME, BOX)

            def app(environ, start_response):
                start_response("200 OK", [("Content-Type", "text/plain")])
                return [f"{engine(FRAME, BOX).yaw[0]:.3f}".encode()]
            """
        )
    )
    shown = run(
        tmp_path,
        """
        import signal, socket, subprocess, time, urllib.request
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = subprocess.Popen([sys.executable, "-m", "gunicorn", "--preload", "-w", "2", "-b", f"127.0.0.1:{port}",
                                   "--graceful-timeout", "10", "app:app"])
        try:
            for _ in range(300):
                try:
                    print(urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10).read().decode())
                    break
                except OSError:
                    time.sleep(0.1)
            server.send_signal(signal.SIGTERM)
            assert server.wait(8) == 0  # before workers are killed for hanging
        finally:
            server.kill()
        """,
    )
    assert float(shown) == pytest.approx(0.0, abs=10)


def test_pickles_as_its_arguments() -> None:
    frame = np.zeros((90, 90, 3), np.uint8)
    with PoseEngine(threads=1, max_sigma=4.5, upright=None) as engine:
        again = pickle.loads(pickle.dumps(engine))
        assert (again.max_sigma, again.upright, again.spec) == (4.5, None, engine.spec)
        boxes = [[9, 9, 60, 60]]
        np.testing.assert_array_equal(again(frame, boxes).angles, engine(frame, boxes).angles)
        with DynamicBatcher(engine) as batcher, pytest.raises(BackendError, match="send the engine"):
            pickle.dumps(batcher)
        again.close()
    detector = open_detector("face-detector", min_score=0.4, min_face=10)
    copy = pickle.loads(pickle.dumps(detector))
    assert (copy.min_score, copy.min_face) == (0.4, 10)
    import cv2

    photo = cv2.imread(str(Path(samples.__file__).parent / "astronaut.jpg"))
    np.testing.assert_array_equal(copy(photo).boxes, detector(photo).boxes)


def test_an_engine_on_a_gpu_is_refused_in_the_child() -> None:
    with PoseEngine(threads=1) as engine:
        engine.device = "cuda:0"
        engine.after_fork()
        with pytest.raises(BackendError, match=r"cuda:0 was made before the process was forked.*spawn"):
            engine(np.zeros((90, 90, 3), np.uint8), [[9, 9, 60, 60]])

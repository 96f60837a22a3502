"""The double of CUDA keeps CUDA's rules: order on a stream, events, captures, lifetimes."""

from __future__ import annotations

from typing import Any

import pytest
from fake_cuda import FakeCuda, Handle

from hpe_edge import BackendError
from hpe_edge.cuda.device import Device


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    fake = FakeCuda().install(monkeypatch)
    fake.make_context(0)
    return fake


def stream_of(cuda: FakeCuda) -> Handle:
    return cuda.runtime.cudaStreamCreateWithFlags(1)[1]


def event_of(cuda: FakeCuda) -> Handle:
    return cuda.runtime.cudaEventCreateWithFlags(2)[1]


def test_work_is_done_in_its_order_and_only_when_waited_for(cuda: FakeCuda) -> None:
    done: list[int] = []
    stream = stream_of(cuda)
    for i in range(3):
        cuda.enqueue(stream, lambda i=i: done.append(i))
    assert done == []
    cuda.runtime.cudaStreamSynchronize(stream)
    assert done == [0, 1, 2]


def test_an_event_is_of_the_work_before_it(cuda: FakeCuda) -> None:
    done: list[str] = []
    one, other, event = stream_of(cuda), stream_of(cuda), event_of(cuda)
    cuda.enqueue(one, lambda: done.append("before"))
    cuda.runtime.cudaEventRecord(event, one)
    cuda.enqueue(one, lambda: done.append("after"))
    cuda.runtime.cudaStreamWaitEvent(other, event, 0)
    cuda.enqueue(other, lambda: done.append("other"))
    cuda.runtime.cudaStreamSynchronize(other)
    assert done == ["before", "other"]


def test_a_wait_does_not_reach_work_that_came_after_its_event_was_done(cuda: FakeCuda) -> None:
    done: list[str] = []
    one, other, event = stream_of(cuda), stream_of(cuda), event_of(cuda)
    cuda.enqueue(one, lambda: done.append("first"))
    cuda.runtime.cudaEventRecord(event, one)
    cuda.runtime.cudaStreamWaitEvent(other, event, 0)
    cuda.runtime.cudaStreamSynchronize(one)
    cuda.enqueue(one, lambda: done.append("later"))
    cuda.runtime.cudaStreamSynchronize(other)
    assert done == ["first"]


def test_a_capture_takes_no_event_of_another_stream(cuda: FakeCuda) -> None:
    one, other, event = stream_of(cuda), stream_of(cuda), event_of(cuda)
    cuda.runtime.cudaEventRecord(event, other)
    cuda.runtime.cudaStreamBeginCapture(one, 1)
    assert cuda.runtime.cudaStreamWaitEvent(one, event, 0)[0].name == "cudaErrorStreamCaptureIsolation"
    assert cuda.runtime.cudaStreamEndCapture(one)[0].name == "cudaErrorStreamCaptureInvalidated"


def test_what_is_gone_must_not_be_used(cuda: FakeCuda) -> None:
    stream, event = stream_of(cuda), event_of(cuda)
    (_, memory), (_, host) = cuda.runtime.cudaMalloc(16), cuda.runtime.cudaHostAlloc(16, 0)
    cuda.runtime.cudaStreamBeginCapture(stream, 1)
    cuda.runtime.cudaMemcpyAsync(memory, host, 16, 1, stream)
    _, graph = cuda.runtime.cudaStreamEndCapture(stream)
    _, ready = cuda.runtime.cudaGraphInstantiateWithFlags(graph, 0)
    cuda.runtime.cudaGraphLaunch(ready, stream)
    cuda.runtime.cudaStreamSynchronize(stream)
    cuda.runtime.cudaFree(memory)
    cuda.runtime.cudaGraphLaunch(ready, stream)  # the addresses are in the graph
    with pytest.raises(AssertionError, match="free again"):
        cuda.runtime.cudaStreamSynchronize(stream)
    cuda.runtime.cudaGraphExecDestroy(ready)
    with pytest.raises(AssertionError, match="graph that was destroyed"):
        cuda.runtime.cudaGraphLaunch(ready, stream)
    cuda.runtime.cudaEventDestroy(event)
    with pytest.raises(AssertionError, match="event that was destroyed"):
        cuda.runtime.cudaEventRecord(event, stream)


def test_to_free_memory_waits_for_its_users(cuda: FakeCuda) -> None:
    stream = stream_of(cuda)
    (_, memory), (_, host) = cuda.runtime.cudaMalloc(16), cuda.runtime.cudaHostAlloc(16, 0)
    cuda.runtime.cudaMemcpyAsync(memory, host, 16, 1, stream)
    cuda.runtime.cudaFree(memory)
    cuda.runtime.cudaStreamSynchronize(stream)


def test_an_error_within_a_native_call_is_kept_and_returned(cuda: FakeCuda, capsys: Any) -> None:
    device = Device()
    with pytest.raises(BackendError, match="launching a CUDA graph failed with CUDA_ERROR_UNKNOWN"):
        device.launch(12345, int(stream_of(cuda)))
    assert [str(error) for error in cuda.failures] == ["a graph that was destroyed"]
    assert "a graph that was destroyed" in capsys.readouterr().err
    device.close()

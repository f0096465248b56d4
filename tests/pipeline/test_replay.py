"""A runtime's answers of an earlier run in place of the runtime (ONNX Runtime)."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.pipeline.remote_session import RemoteSession
from edgekit.pipeline.replay import Recorder, Replay

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

X = np.arange(4, dtype=np.float32).reshape(1, 4)


@pytest.fixture
def start(tmp_path):
    """Opens y = 2 x in its runtime; ``start.opened`` counts how often."""
    h = onnx.helper
    graph = h.make_graph([h.make_node("Mul", ["x", "two"], ["y"])], "tiny",
                         [h.make_tensor_value_info("x", 1, [1, 4])], [h.make_tensor_value_info("y", 1, [1, 4])],
                         [onnx.numpy_helper.from_array(np.float32([2]), "two")])
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 18)], ir_version=10), tmp_path / "tiny.onnx")

    def open_session() -> RemoteSession:
        open_session.opened += 1
        return RemoteSession("onnx", tmp_path / "tiny.onnx", log=tmp_path / "log.txt")

    open_session.opened = 0
    return open_session


@pytest.fixture
def recorded(start, tmp_path):
    folder = tmp_path / "answers"
    folder.mkdir()
    with start() as session:
        recorder = Recorder(session)
        assert np.array_equal(recorder.run([X])[0], X * 2)
        recorder.save(folder)
    return folder


def test_a_known_input_starts_no_runtime(start, recorded):
    with Replay(recorded, start) as session:
        assert session.inputs[0].name == "x"
        assert session.outputs[0].shape == (1, 4)
        assert np.array_equal(session.run([X])[0], X * 2)
    assert start.opened == 1


def test_a_new_input_goes_to_the_runtime(start, recorded):
    with Replay(recorded, start) as session:
        assert np.array_equal(session.run([X + 1])[0], (X + 1) * 2)
        assert np.array_equal(session.run([X])[0], X * 2)
        assert session.layers([X])[-1].name
    assert start.opened == 2


def test_too_much_to_keep_is_run_again(start, tmp_path, monkeypatch):
    monkeypatch.setattr("edgekit.pipeline.replay._MOST_BYTES", X.nbytes)
    with start() as session:
        recorder = Recorder(session)
        for shift in range(3):
            recorder.run([X + shift])
        recorder.save(tmp_path)
    with Replay(tmp_path, start) as replay:
        replay.run([X])
        assert start.opened == 1
        assert np.array_equal(replay.run([X + 2])[0], (X + 2) * 2)
    assert start.opened == 2

"""A real runtime (ONNX Runtime) in a child process: same answers, and a crash that is only an error."""

import os
import signal

import numpy as np
import pytest

from edgekit.errors import ConversionError, EdgekitError
from edgekit.formats.registry import get_format
from edgekit.pipeline.remote_session import RemoteSession

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """y = x * 2 + 1 and its sum, for x of shape [1, 4]."""
    h = onnx.helper
    graph = h.make_graph(
        [h.make_node("Mul", ["x", "two"], ["t"], name="double"), h.make_node("Add", ["t", "one"], ["y"], name="shift"),
         h.make_node("ReduceSum", ["y"], ["s"], name="total")],
        "tiny", [h.make_tensor_value_info("x", 1, [1, 4])],
        [h.make_tensor_value_info("y", 1, [1, 4]), h.make_tensor_value_info("s", 1, [1, 1])],
        [onnx.numpy_helper.from_array(np.float32([2]), "two"), onnx.numpy_helper.from_array(np.float32([1]), "one")])
    path = tmp_path_factory.mktemp("onnx") / "tiny.onnx"
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 18)], ir_version=10), path)
    return path


@pytest.fixture(scope="module")
def session(model, tmp_path_factory):
    with RemoteSession("onnx", model, log=tmp_path_factory.mktemp("log") / "log.txt") as session:
        yield session


X = np.arange(4, dtype=np.float32).reshape(1, 4)


def test_same_as_in_this_process(session, model):
    here = get_format("onnx").load(model)
    assert session.inputs == here.inputs
    assert session.outputs == here.outputs
    for ours, theirs in zip(session.run([X]), here.run([X]), strict=True):
        assert np.array_equal(ours, theirs)
    assert np.array_equal(session.run([X])[0], X * 2 + 1)


def test_a_runtime_needs_no_torch(session):
    assert 20 * 2**20 < session.peak_rss_bytes < 250 * 2**20  # torch alone takes 200 MiB, and seconds to import


def test_an_error_leaves_the_session_usable(session):
    with pytest.raises(EdgekitError):
        session.run([np.zeros((2, 2), dtype=np.float32)])
    assert np.array_equal(session.run([X])[0], X * 2 + 1)


def test_crash_is_an_error(model, tmp_path):
    with RemoteSession("onnx", model, log=tmp_path / "log.txt") as session:
        os.kill(session.pid, signal.SIGSEGV)
        with pytest.raises(ConversionError) as info:
            session.run([X])
    assert info.value.code == "runtime-crashed"
    assert "SIGSEGV" in info.value.message


def test_hang_is_an_error(model, tmp_path):
    with RemoteSession("onnx", model, log=tmp_path / "log.txt", seconds=30) as session:
        os.kill(session.pid, signal.SIGSTOP)
        session._seconds = 0.5
        with pytest.raises(ConversionError) as info:
            session.run([X])
    assert info.value.code == "runtime-timeout"


def test_broken_artifact_gives_the_formats_own_error(tmp_path, capfd):
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"this is no model")
    with pytest.raises(EdgekitError) as info:
        RemoteSession("onnx", path, log=tmp_path / "log.txt")
    assert not info.value.code.startswith("runtime-")
    assert "broken.onnx" in str(info.value.document())
    assert capfd.readouterr() == ("", "")

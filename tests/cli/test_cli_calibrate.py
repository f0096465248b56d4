"""``edgekit devices calibrate``: files of measurements, targets, what is written, and `edgekit estimate` with it."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from workloads import Exported

from edgekit import api, plugins
from edgekit.cli.main import run
from edgekit.contracts import RunSettings, TargetRun
from edgekit.devices.catalogue import find_device, get_device
from edgekit.estimate.counted import counted_work
from edgekit.estimate.price import price
from edgekit.estimate.timing import CoreTiming
from edgekit.estimate.timings import get_timing, load_timing
from edgekit.formats.registry import get_format
from edgekit.plugins import TARGETS, Plugins

BOARD = "raspberry-pi-4b"
SHIPPED = get_timing("cortex-a72")
# What the tests take for measured: a board whose vector memory and calls are slower than the costs that ship.
TRUE = SHIPPED.model_copy(update={"operator_cycles": 20e3, "cycles": SHIPPED.cycles.model_copy(update={
    "vector_memory": 2.5, "multiply_add": 0.9})})


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    status = run([*arguments, "--json"])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return status, found


def measured_ms(artifact: Path, threads: Sequence[int], timing: CoreTiming = TRUE) -> list[float]:
    """Milliseconds of a board that has ``timing``."""
    counts = api.measure(artifact, f"emulated:{BOARD}").counts
    assert counts is not None
    device, own = get_device(BOARD), timing.machines[BOARD]
    work = counted_work(counts, api.inspect(artifact))
    return [price(work, timing, device.clusters[0].max_ghz, device.memory.gb_s, n, own.line_ns).ms * own.scale
            for n in threads]


def written(file: Path, rows: Sequence[tuple[str, float, int]], head: str = "unit: ms\n") -> Path:
    lines = [f"  - {{artifact: {artifact}, latency: {ms:.6g}, threads: {threads}}}\n" for artifact, ms, threads in rows]
    file.write_text(f"{head}runtime: litert 2.3.0\nsource: a board on this desk\nrows:\n{''.join(lines)}")
    return file


@pytest.fixture(scope="module")
def rows(exported: Exported) -> list[tuple[str, float, int]]:
    """Two artifacts on one, two and four threads, as a slower board would run them."""
    return [(name, ms, threads) for name in ("model.tflite", "model.onnx")
            for threads, ms in zip((1, 2, 4), measured_ms(exported.out / name, (1, 2, 4)), strict=True)]


def test_a_shipped_device(exported: Exported, rows: list[tuple[str, float, int]], tmp_path: Path,
                          monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(exported.out / "model.tflite", tmp_path)
    shutil.copy(exported.out / "model.onnx", tmp_path)
    file = written(tmp_path / "mine.yaml", rows)
    (here := tmp_path / "here").mkdir()
    monkeypatch.chdir(here)
    status, found = document(capsys, "devices", "calibrate", BOARD, "--measurements", str(file))
    assert (status, found["schema"], found["path"]) == (0, "edgekit/calibration/1", f"{BOARD}.calibration.yaml")
    assert [m["measured_ms"] for m in found["models"]] == pytest.approx([ms for _, ms, _ in rows], rel=1e-5)
    assert found["median_error"] < found["median_error_before"]
    assert found["unusable"] == {}
    assert [path.name for path in here.iterdir()] == [f"{BOARD}.calibration.yaml"]
    said = load_timing(here / f"{BOARD}.calibration.yaml").provenance
    assert said["calibration"].startswith("6 measured models on raspberry-pi-4b")
    assert (said["calibration_runtime"], said["calibration_source"]) == ("litert 2.3.0", "a board on this desk")
    assert "model.tflite 1 thread " in said["calibration_models"]

    artifact = str(tmp_path / "model.tflite")
    _, plain = document(capsys, "estimate", artifact, "--device", BOARD)
    _, own = document(capsys, "estimate", artifact, "--device", BOARD, "--calibration", found["path"])
    assert own["devices"][0]["latency"]["ms"] == pytest.approx(rows[0][1], rel=0.1)
    assert plain["devices"][0]["latency"]["ms"] < 0.9 * rows[0][1]
    assert own["devices"][0]["facts"]["costs_calibration"] == said["calibration"]
    assert run(["devices", "calibrate", BOARD, "--measurements", str(file)]) == 0  # its own file is replaced
    printed = capsys.readouterr().out
    assert "[measured]" in printed
    assert "90 % interval" in printed
    status, wrong = document(capsys, "estimate", artifact, "--device", "raspberry-pi-5", "--calibration", found["path"])
    assert (status, wrong["error"]["code"]) == (4, "calibration-device")


def test_beside_a_profile(exported: Exported, rows: list[tuple[str, float, int]], tmp_path: Path,
                          capsys: pytest.CaptureFixture[str]) -> None:
    profile = tmp_path / "desk.yaml"
    profile.write_text(find_device(BOARD).read_text().replace(f"id: {BOARD}", "id: desk"))
    places = [(str(exported.out / name), ms, threads) for name, ms, threads in rows]
    file = written(tmp_path / "mine.yaml", [(name, 1000 * ms, n) for name, ms, n in places], "unit: us\n")
    status, found = document(capsys, "devices", "calibrate", str(profile), "--measurements", str(file))
    assert (status, found["path"]) == (0, str(tmp_path / "desk.calibration.yaml"))
    _, own = document(capsys, "estimate", places[0][0], "--device", str(profile))
    latency = own["devices"][0]["latency"]
    assert latency["ms"] == pytest.approx(places[0][1], rel=0.1)
    assert latency["high_ms"] / latency["ms"] == pytest.approx(found["interval"], rel=0.01)


class Desk:
    """A target of another package: the artifact runs in its runtime here, and takes ten milliseconds."""

    in_process = False
    times_ms: tuple[float, ...] = (10.0,)

    def prepare(self, address: str, format_name: str) -> None:
        self._format = get_format(format_name)

    def run(self, artifact: Path, inputs: Sequence[np.ndarray], settings: RunSettings) -> TargetRun:
        return TargetRun(outputs=tuple(self._format.load(artifact).run(inputs)), runtime=self._format.runtime(),
                         memory=None, times_ms=self.times_ms * settings.repeats, facts={"clock": "2 GHz"})


class Pretended(Desk):
    times_ms = ()


@pytest.fixture
def five(exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Five files, and targets of another package to run them on."""
    points = [EntryPoint(name, f"{__name__}:{value}", "edgekit.targets")
              for name, value in (("desk", "Desk"), ("pretended", "Pretended"))]
    monkeypatch.setattr(plugins, "entry_points", lambda group: points)
    table = Plugins("edgekit.targets", "target", TARGETS.built_in, "target-unknown")
    monkeypatch.setitem(TARGETS.__dict__, "_table", table._table)
    return [shutil.copy(exported.out / "model.tflite", tmp_path / f"copy{k}.tflite") for k in range(5)]


def test_measured_on_a_target(five: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.yaml"
    status, found = document(capsys, "devices", "calibrate", BOARD, "--on", "desk", *map(str, five), "--repeats", "3",
                             "--output", str(out))
    assert (status, [model["measured_ms"] for model in found["models"]]) == (0, [10.0] * 5)
    assert all(model["left_out_ms"] == pytest.approx(10, rel=0.1) for model in found["models"])
    assert load_timing(out).provenance["calibration_source"] == "edgekit on desk, medians of 3; clock 2 GHz"


def test_a_target_without_a_clock(five: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.yaml"
    status, found = document(capsys, "devices", "calibrate", BOARD, "--on", "pretended", *map(str, five), "-o",
                             str(out))
    assert (status, found["error"]["code"], out.exists()) == (4, "target-emulated", False)


def _network(file: Path, channels: int, side: int, layers: int, kernel: int) -> Path:
    """Convolutions with a ReLU each, of seeded weights."""
    random = np.random.default_rng(channels * side)
    nodes, weights, before = [], [], 3
    for k in range(layers):
        values = random.standard_normal((channels, before, kernel, kernel)).astype(np.float32) / before / kernel
        weights.append(numpy_helper.from_array(values, f"w{k}"))
        nodes.append(helper.make_node("Conv", [f"x{k}", f"w{k}"], [f"y{k}"], pads=[kernel // 2] * 4))
        nodes.append(helper.make_node("Relu", [f"y{k}"], [f"x{k + 1}"]))
        before = channels
    shape = [1, 3, side, side], [1, channels, side, side]
    graph = helper.make_graph(nodes, "net", [helper.make_tensor_value_info("x0", TensorProto.FLOAT, shape[0])],
                              [helper.make_tensor_value_info(f"x{layers}", TensorProto.FLOAT, shape[1])], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    return file


@pytest.mark.slow
def test_the_fit_recovers_a_board(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Seven networks are measured, another three predicted."""
    shapes = [(8, 16, 2, 3), (16, 16, 4, 1), (64, 8, 3, 3), (32, 24, 2, 1), (16, 32, 3, 3), (96, 6, 4, 1),
              (24, 20, 6, 1), (48, 12, 3, 3), (12, 28, 3, 3), (64, 10, 5, 1)]
    files = [_network(tmp_path / f"net{k}.onnx", *shape) for k, shape in enumerate(shapes)]
    ms = [measured_ms(file, (1,))[0] for file in files]
    file = written(tmp_path / "mine.yaml", [(f.name, t, 1) for f, t in zip(files[:7], ms, strict=False)])
    out = tmp_path / "board.yaml"
    assert document(capsys, "devices", "calibrate", BOARD, "--measurements", str(file), "-o", str(out))[0] == 0
    before = [abs(math.log(measured_ms(f, (1,), SHIPPED)[0] / t)) for f, t in zip(files[7:], ms[7:], strict=True)]
    for f, t, b in zip(files[7:], ms[7:], before, strict=True):
        _, own = document(capsys, "estimate", str(f), "--device", BOARD, "--calibration", str(out))
        assert abs(math.log(own["devices"][0]["latency"]["ms"] / t)) < min(0.1, b)


ROW = "{artifact: model.tflite, latency: 1}"


@pytest.mark.parametrize(("unit", "rows", "code", "says"), [
    ("", ROW, "key-missing", "'unit'"),
    ("unit: min", ROW, "name-unknown", "unit"),
    ("unit: ms", ROW, "samples-few", "rows: 1 usable"),
    ("unit: ms", "{artifact: model.tflite}", "key-missing", "'latency'"),
    ("unit: ms", "{artifact: model.tflite, latency: 0}", "value-wrong", "rows.0.latency"),
    ("unit: ms", "{artifact: nothing.tflite, latency: 1}", "artifact-missing", "rows.0.artifact"),
    ("unit: ms", "{artifact: model.tflite, latency: 1, threads: 5}", "value-wrong", "rows.0.threads"),
    ("unit: ms", f"{ROW}, {ROW}", "value-wrong", "rows.1.artifact"),
])
def test_mistakes_in_a_file(exported: Exported, tmp_path: Path, capsys: pytest.CaptureFixture[str], unit: str,
                            rows: str, code: str, says: str) -> None:
    shutil.copy(exported.out / "model.tflite", tmp_path)
    file = tmp_path / "mine.yaml"
    file.write_text(f"{unit}\nruntime: r\nsource: s\nrows: [{rows}]\n")
    status, found = document(capsys, "devices", "calibrate", BOARD, "--measurements", str(file))
    assert (status, found["error"]["code"]) == (2, code)
    assert says in found["error"]["message"]
    assert found["error"]["where"].startswith(str(file))


@pytest.mark.parametrize(("arguments", "code", "status"), [
    (["--on", f"emulated:{BOARD}", "{tflite}"], "target-emulated", 4),
    (["--on", "ssh:nowhere", "{tflite}"], "samples-few", 2),
    (["--on", "ssh:nowhere", "{tflite}", "{tflite}", "{tflite}", "{tflite}", "{tflite}"], "samples-few", 2),
    (["--on", "ssh:nowhere", "nothing.tflite"], "artifact-missing", 2),
    ([], "usage", 2),
    (["--measurements", "nothing.yaml"], "file-not-readable", 2),
    (["--measurements", "nothing.yaml", "--on", "host"], "usage", 2),
])
def test_mistakes(exported: Exported, capsys: pytest.CaptureFixture[str], arguments: list[str], code: str,
                  status: int) -> None:
    places = [argument.format(tflite=exported.out / "model.tflite") for argument in arguments]
    found_status, found = document(capsys, "devices", "calibrate", BOARD, *places)
    assert (found["error"]["code"], found_status) == (code, status)


def test_somebodys_own_file_stays(exported: Exported, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("mine: true\n")
    file = written(tmp_path / "mine.yaml", [(str(exported.out / "model.tflite"), 1.0, n) for n in (1, 2, 3, 4)]
                   + [(str(exported.out / "model.onnx"), 1.0, 1)])
    status, found = document(capsys, "devices", "calibrate", BOARD, "--measurements", str(file), "--output", str(own))
    assert (status, found["error"]["code"], own.read_text()) == (2, "file-exists", "mine: true\n")
    status, found = document(capsys, "devices", "calibrate", BOARD, "--measurements", str(file), "--output",
                             str(tmp_path / "nowhere" / "own.yaml"))
    assert (status, found["error"]["code"]) == (5, "not-writable")

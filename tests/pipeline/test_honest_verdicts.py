"""What a verdict is about: the model as it was loaded, the inputs of the export, the formats and the device used."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from workloads import write_small

from edgekit import api
from edgekit.devices.catalogue import list_devices
from edgekit.errors import RecipeError, UsageError

EDGEKIT = str(Path(sys.executable).with_name("edgekit"))
PRUNED = ("compress:\n  - structured: {ratio: 0.7, round_to: 4, train: {epochs: 0}}\n"
          "budget: {metric_drop: 1.0}\n")


def _board(folder: Path, processors: str) -> Path:
    text = list_devices()["pixel-8"].read_text().replace("id: pixel-8", "id: board")
    start = text.index("processors:")
    end = text.index("accelerators:")
    board = folder / "board.yaml"
    board.write_text(f"{text[:start]}processors: {processors}\n{text[end:]}")
    return board


@pytest.mark.slow
def test_what_compression_costs_counts(tmp_path):
    workload, recipe = write_small(tmp_path, scheme="w8a8-static", formats="onnx")
    recipe.write_text(recipe.read_text() + PRUNED)
    report = api.export(str(workload), recipe, out=tmp_path / "out")
    (artifact,) = report.artifacts
    fidelity = artifact.fidelity
    assert fidelity.metric_float > 90
    assert fidelity.metric_compressed < fidelity.metric_float - 10
    (line,) = [b for b in report.budget if b.name == "metric_drop"]
    assert line.met is False
    assert line.value == pytest.approx(fidelity.metric_float - fidelity.metric_artifact)
    assert report.exit_status == 1
    assert not [s for s in report.stages if s.name.startswith("widen")], "no wider operator brings it back"
    assert "(compressed)" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    again = api.verify(tmp_path / "out" / "model.onnx", str(workload))
    assert again.met
    assert again.fidelity.sqnr_db == pytest.approx(fidelity.sqnr_db, abs=0.5)
    assert again.fidelity.metric_float == fidelity.metric_float


@pytest.mark.slow
def test_verify_compares_on_the_recipes_own_calibration_data(tmp_path):
    workload, recipe = write_small(tmp_path, formats="onnx", more="  calibration: {samples: 16, data: data/c.npz}\n")
    code = workload.read_text()
    workload.write_text(code.replace("def calibration():", "def unused():"))
    (tmp_path / "data").mkdir()
    rows = 0.01 * np.random.default_rng(0).standard_normal((40, 3, 16, 16)).astype(np.float32)
    np.savez(tmp_path / "data" / "c.npz", x=rows)
    report = api.export(str(workload), recipe, out=tmp_path / "out")
    assert report.calibration_data == "../data/c.npz"
    again = api.verify(tmp_path / "out" / "model.onnx", str(workload), layers=True)
    assert again.fidelity.input_source == report.artifacts[0].fidelity.input_source
    assert again.fidelity.sqnr_db == pytest.approx(report.artifacts[0].fidelity.sqnr_db, abs=0.1)
    assert again.met
    (tmp_path / "data" / "c.npz").unlink()
    with pytest.raises(UsageError) as caught:
        api.verify(tmp_path / "out" / "model.onnx", str(workload))
    assert caught.value.code == "calibration-missing"


@pytest.mark.slow
def test_the_report_holds_what_was_used_in_any_locale(tmp_path):
    workload, recipe = write_small(tmp_path, scheme="fp32")
    recipe.write_text(recipe.read_text() + "device: pixel-8\n")
    done = subprocess.run([EDGEKIT, "export", str(workload), "-r", str(recipe), "-o", str(tmp_path / "out"), "-f",
                           "onnx", "-d", "raspberry-pi-5"], capture_output=True, timeout=300, env=os.environ | {
                               "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})
    assert done.returncode == 0, done.stderr
    for name in ("report.json", "manifest.json"):
        recipe_used = json.loads((tmp_path / "out" / name).read_text(encoding="utf-8"))["recipe"]
        assert (recipe_used["formats"], recipe_used["device"]) == (["onnx"], "raspberry-pi-5")


def test_a_device_runs_what_its_profile_lists(tmp_path):
    workload, recipe = write_small(tmp_path, formats="tflite, executorch")
    board = str(_board(tmp_path, "{cpu: {formats: [tflite]}, npu: {formats: [tflite]}}"))
    with pytest.raises(RecipeError) as caught:
        api.plan(str(workload), recipe, device=board)
    assert caught.value.code == "format-not-on-device"
    assert "executorch" in caught.value.message
    recipe.write_text(recipe.read_text() + "processor: npu\n")
    plan = api.plan(str(workload), recipe, device=board, formats=["tflite"])
    assert (plan["recipe"]["device"], plan["recipe"]["formats"], plan["recipe"]["processor"]) == (
        "board", ["tflite"], "npu")
    with pytest.raises(RecipeError) as caught:
        api.plan(str(workload), recipe)
    assert caught.value.problems[0].code == "value-wrong"


@pytest.mark.slow
def test_an_interrupt_does_not_wait_for_users_code(tmp_path):
    workload, recipe = write_small(tmp_path, scheme="fp32", formats="onnx")
    workload.write_text(workload.read_text() + f"""
def evaluate(predict):
    import time
    if getattr(evaluate, "before", False):
        open({str(tmp_path / "there")!r}, "w").close()
        time.sleep(120)
    evaluate.before = True
    return 100.0
""")
    program = subprocess.Popen([EDGEKIT, "export", str(workload), "-r", str(recipe), "-o", str(tmp_path / "out")],
                               stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 200
    while not (tmp_path / "there").exists() and program.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    program.send_signal(signal.SIGINT)
    assert program.wait(timeout=40) == 130
    assert "interrupted" in program.stderr.read()
    assert not (tmp_path / "out").exists()


def test_branches_of_a_condition_are_part_of_a_programs_hash():
    from edgekit.contracts import Program
    from edgekit.workload.hashing import program_hash

    def hashed(factor: float) -> str:
        class Branches(torch.nn.Module):
            def forward(self, x):
                return torch.cond(x.sum() > 0, lambda a: a * factor, lambda a: a + 1, (x,))
        example = (torch.ones(2),)
        return program_hash(Program("n", torch.export.export(Branches(), example), example, ("x",), ("y",),
                                    False, {}))

    assert hashed(2.0) == hashed(2.0)
    assert hashed(2.0) != hashed(5.0)

"""What a user types, wrong input included: messages, exit statuses, and nothing half-written."""

import json
import shutil

import pytest
from workloads import SMALL, write_small

from edgekit.cli.main import run
from edgekit.devices.catalogue import list_devices


def _error(capsys) -> dict:
    return json.loads(capsys.readouterr().out)["error"]


def _export(folder, *more, workload="small.py", recipe="small.yaml") -> list[str]:
    return ["export", str(folder / workload), "--recipe", str(folder / recipe), "-o", str(folder / "out"), "--json",
            *more]


def test_dry_run_touches_nothing(tmp_path, capsys):
    write_small(tmp_path)
    before = sorted(p.name for p in tmp_path.iterdir())
    assert run(_export(tmp_path, "--dry-run")) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["schema"] == "edgekit/plan/1"
    assert plan["plans"][0]["stages"][0] == "load"
    assert sorted(p.name for p in tmp_path.iterdir()) == before


BROKEN = {
    "raises": ("x = 1\nraise RuntimeError('no weights here')\n", "no weights here"),
    "no_module": ("def load():\n    return 3\ndef example_inputs():\n    return 1\n", ""),
    "misfit": (SMALL.replace("return _images(1, 2)[0]", "return torch.zeros(1, 5, 16, 16)"), ""),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_workload_is_the_users_error(tmp_path, capsys, name):
    write_small(tmp_path)
    source, words = BROKEN[name]
    (tmp_path / "broken.py").write_text(source)
    assert run(_export(tmp_path, workload="broken.py")) == 2
    error = _error(capsys)
    assert "broken.py" in error["where"]
    assert error["next"]
    assert words in f"{error['message']} {error['cause']}"
    assert not (tmp_path / "out").exists()


def test_a_model_that_cannot_be_captured_names_the_line(tmp_path, capsys):
    write_small(tmp_path, scheme="fp32")
    (tmp_path / "branchy.py").write_text(SMALL.replace(
        "        return self.head(", "        if x.sum() > 0:\n            x = -x\n        return self.head("))
    line = 1 + (tmp_path / "branchy.py").read_text().splitlines().index("        if x.sum() > 0:")
    assert run(_export(tmp_path, workload="branchy.py")) == 3
    error = _error(capsys)
    assert f"branchy.py:{line}" in error["where"]
    assert "torch.where" in error["next"] + str(error["cause"])


def test_static_without_calibration(tmp_path, capsys):
    write_small(tmp_path)
    (tmp_path / "bare.py").write_text(SMALL.replace("def calibration", "def _calibration"))
    assert run(_export(tmp_path, workload="bare.py")) == 2
    assert _error(capsys)["code"] == "calibration-missing"


def test_calibration_with_nan(tmp_path, capsys):
    write_small(tmp_path)
    (tmp_path / "nan.py").write_text(SMALL.replace("(image[None] for image", "(image[None] * float('nan') for image"))
    assert run(_export(tmp_path, workload="nan.py")) == 2
    assert _error(capsys)["code"] == "calibration-nan"


def test_unknown_names(tmp_path, capsys):
    write_small(tmp_path, more="device: pixel-88\n")
    assert run(_export(tmp_path)) == 4
    error = _error(capsys)
    assert error["code"] == "device-unknown"
    assert "pixel-8" in json.dumps(error)
    assert "small.yaml:" in error["where"]


def test_an_output_that_is_not_edgekits_stays(tmp_path, capsys):
    write_small(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    assert run(_export(tmp_path)) == 2
    assert _error(capsys)["code"] == "output-not-edgekit"
    assert (tmp_path / "out" / "thesis.txt").read_text() == "mine"


def test_inspect_and_verify_what_was_exported(exported, capsys):
    assert run(["inspect", str(exported.out / "model.tflite"), "--json"]) == 0
    graph = json.loads(capsys.readouterr().out)
    assert graph["schema"] == "edgekit/graph/1"
    assert any(op["kind"] == "depthwise_conv" and op["source"]["module"] == "blocks.0.depthwise" for op in graph["ops"])
    assert run(["verify", str(exported.out / "model.onnx"), "--against", str(exported.workload), "--layers",
                "--json"]) == 0
    verification = json.loads(capsys.readouterr().out)
    assert verification["met"] is True
    # stem's own value is gone: the relu behind it, at the model's top level, is part of its convolution
    assert {"", "blocks.0.point", "head"} <= {layer["source"]["module"] for layer in verification["layers"]}


def test_verify_compares_on_the_inputs_of_the_export(exported, capsys):
    assert run(["verify", str(exported.out / "model.onnx"), "--against", str(exported.workload), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["fidelity"]
    report = json.loads((exported.out / "report.json").read_text())
    (stored,) = (a["fidelity"] for a in report["artifacts"] if a["artifact"]["format"] == "onnx")
    assert found["input_source"] == stored["input_source"]
    assert found["sqnr_db"] == pytest.approx(stored["sqnr_db"], abs=0.01)


def test_layers_are_simulated_where_the_runtime_shows_none(exported, capsys):
    assert run(["verify", str(exported.out / "model.pte"), "--against", str(exported.workload), "--layers",
                "--json"]) == 0
    verification = json.loads(capsys.readouterr().out)
    assert "simulation" in verification["layers_of"]
    assert {"stem", "blocks.0.point", "head"} <= {layer["source"]["module"] for layer in verification["layers"]}


def test_simulated_layers_follow_the_plan_that_the_artifact_was_made_with(exported, tmp_path, capsys):
    """All but the stem is float, so the stem's noise is all there is; a fixed plan would show int8 layers behind it."""
    recipe = tmp_path / "kept.yaml"
    recipe.write_text("name: kept\nformats: [executorch]\nquantize:\n  scheme: w8a8-static\n"
                      "  keep_float: [blocks, head]\n")
    assert run(["export", str(exported.workload), "-r", str(recipe), "-o", str(tmp_path / "out")]) == 0
    capsys.readouterr()
    levels = []
    for folder in (tmp_path / "out", exported.out):
        assert run(["verify", str(folder / "model.pte"), "--against", str(exported.workload), "--layers",
                    "--json"]) == 0
        layers = json.loads(capsys.readouterr().out)["layers"]
        levels.append({layer["name"]: layer["sqnr_db"] for layer in layers})
    kept, whole = levels
    stem = next(iter(kept))
    assert kept[stem] == pytest.approx(whole[stem], abs=0.5)
    assert list(kept.values())[-1] > list(whole.values())[-1] + 1


def test_verify_fails_under_a_floor(exported, capsys):
    assert run(["verify", str(exported.out / "model.onnx"), "--against", str(exported.workload), "--min-sqnr-db", "90",
                "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["met"] is False


@pytest.mark.parametrize(("code", "forward", "inputs"), [
    ("artifact-inputs", "forward(self, a, b):\n        return a.mean((2, 3)) + b", "_x(), torch.zeros(1, 3)"),
    ("artifact-outputs", "forward(self, a):\n        return a.mean((2, 3)), a.mean()", "_x(),"),
    ("artifact-outputs", "forward(self, a):\n        return a.mean((2, 3))", "_x(),")])
def test_another_workload_than_the_artifacts(exported, tmp_path, capsys, code, forward, inputs):
    (tmp_path / "other.py").write_text(
        f"import torch\n\nclass Net(torch.nn.Module):\n    def {forward}\n\ndef load():\n    return Net()\n\n"
        f"def _x():\n    return torch.ones(1, 3, 16, 16)\n\ndef example_inputs():\n    return {inputs}\n")
    assert run(["verify", str(exported.out / "model.onnx"), "--against", str(tmp_path / "other.py"), "--json"]) == 2
    error = _error(capsys)
    assert error["code"] == code
    assert "--against" in error["next"]


@pytest.mark.parametrize("words", [
    ["verify", "model.onnx", "--against", "w.py", "--min-sqnr-db", "nan"],
    ["verify", "model.onnx", "--against", "w.py", "--min-sqnr-db", "-inf"],
    ["cache", "prune", "--older-than-days", "nan"]])
def test_a_limit_is_a_finite_number(capsys, words):
    assert run([*words, "--json"]) == 2
    error = _error(capsys)
    assert error["code"] == "usage"
    assert "finite" in error["message"]


def test_a_second_opinion_is_for_tflite_only(exported, capsys):
    assert run(["verify", str(exported.out / "model.onnx"), "--against", str(exported.workload), "--reference",
                "tensorflow", "--json"]) == 2
    assert _error(capsys)["code"] == "reference-format"


def test_the_floor_comes_from_the_report_of_this_very_file(exported, capsys, tmp_path):
    def verified(*more) -> dict:
        run(["verify", str(tmp_path / "model.onnx"), "--against", str(exported.workload), "--json", *more])
        return json.loads(capsys.readouterr().out)

    shutil.copy(exported.out / "model.onnx", tmp_path)
    assert verified()["floor_db"] is None
    stored = json.loads((exported.out / "report.json").read_text())
    (tmp_path / "report.json").write_text(json.dumps(stored))
    assert verified()["floor_db"] == stored["recipe"]["fidelity"]["min_sqnr_db"]
    for entry in stored["artifacts"]:
        entry["artifact"]["sha256"] = "0" * 64
    (tmp_path / "report.json").write_text(json.dumps(stored))
    assert verified()["floor_db"] is None
    (tmp_path / "report.json").write_text("{}")
    assert verified()["error"]["code"] == "report-malformed"
    assert verified("--min-sqnr-db", "3")["floor_db"] == 3  # the error's own advice


@pytest.mark.parametrize(("name", "data", "status"), [
    ("missing.tflite", None, 2), ("model.h5", b"x", 2), ("model.tflite", b"not a flatbuffer", 2),
    ("model.onnx", b"\x08\x01garbage", 2), ("model.pte", b"ET12 short", 2)])
def test_inspecting_what_is_no_artifact(tmp_path, capsys, name, data, status):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    assert run(["inspect", str(tmp_path / name), "--json"]) == status
    assert _error(capsys)["next"]


def test_when_no_format_can_be_made_every_reason_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "cache"))  # others export this model too
    write_small(tmp_path, scheme="fp32", formats="executorch, onnx")
    assert run(_export(tmp_path, "--memory-limit-mb", "256")) == 3
    printed = capsys.readouterr()
    error = json.loads(printed.out)["error"]
    assert error["code"] == "formats-failed"
    for name, problem in zip(("executorch", "onnx"), error["problems"], strict=True):
        assert problem["code"] == "child-memory"
        assert problem["message"].startswith(f"{name}: ")
        assert "limit of 256 MB" in problem["message"]
        assert problem["message"] in printed.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("last", [["pixle-8"], ["pixel-8"], ["board.yaml"]])
def test_every_device_is_checked_before_the_first_export(tmp_path, capsys, monkeypatch, last):
    write_small(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "board.yaml").write_text("id: board\n")
    words = [word for name in ("pixel-8", *last) for word in ("-d", name)]
    assert run(_export(tmp_path, *words)) == (4 if last == ["pixle-8"] else 2)
    assert _error(capsys)["code"] in ("device-unknown", "usage", "profile-invalid")
    assert not (tmp_path / "out").exists()


def test_each_of_several_devices_has_a_folder_by_its_id(tmp_path, capsys):
    write_small(tmp_path)
    board = tmp_path / "board.yaml"
    board.write_text(list_devices()["pixel-8"].read_text().replace("id: pixel-8", "id: board"))
    assert run(_export(tmp_path, "-d", str(board), "-d", "pixel-8", "--dry-run")) == 0
    plans = json.loads(capsys.readouterr().out)["plans"]
    assert [p["out"] for p in plans] == [str(tmp_path / "out" / name) for name in ("board", "pixel-8")]


def test_the_recipes_processor_must_be_one_of_the_given_device(tmp_path, capsys):
    write_small(tmp_path)
    board = tmp_path / "board.yaml"
    board.write_text(list_devices()["pixel-8"].read_text().replace("id: pixel-8", "id: board")
                     .replace("processors:\n  cpu:", "processors:\n  gpu:"))
    assert run(_export(tmp_path, "-d", str(board), "--dry-run")) == 2
    error = _error(capsys)
    assert error["message"] == "processor: board has no 'cpu' in its profile"
    assert error["next"].endswith("one of: gpu")


@pytest.mark.parametrize("more", [["--dry-run"], []])
def test_what_is_not_there_is_refused_before_any_work(tmp_path, capsys, more):
    write_small(tmp_path)
    assert run(_export(tmp_path, *more, workload="smal.py")) == 2
    error = _error(capsys)
    assert (error["code"], error["cause"]) == ("workload-not-found", "did you mean small.py?")
    assert run(_export(tmp_path, *more, "--weights", str(tmp_path / "none.pth"))) == 2
    assert _error(capsys)["code"] == "workload-not-found"
    write_small(tmp_path, more="  calibration: {data: images}\n")
    assert run(_export(tmp_path, *more)) == 2
    error = _error(capsys)
    assert (error["code"], error["where"]) == ("calibration-missing", f"{tmp_path / 'small.yaml'}:5:23")


@pytest.mark.parametrize("name", ["x[red]y[/red].py", "a[/b].py", ":car:.py"])
def test_a_plan_shows_names_as_they_are(tmp_path, capsys, monkeypatch, name):
    write_small(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(SMALL)
    assert run(["export", name, "-r", "small.yaml", "--dry-run", "-o", "[b]out[/b]"]) == 0
    assert f"{name} by small.yaml for no device into [b]out[/b]" in capsys.readouterr().out


def test_inspect_and_verify_show_names_as_they_are(exported, tmp_path, capsys):
    artifact = tmp_path / "[red]net:car:.onnx"
    shutil.copy(exported.out / "model.onnx", artifact)
    assert run(["inspect", str(artifact)]) == 0
    assert str(artifact) in capsys.readouterr().out
    assert run(["verify", str(artifact), "--against", str(exported.workload), "--layers"]) == 0
    out = capsys.readouterr().out
    assert str(artifact) in out
    assert f"Layers of {artifact.name}" in out

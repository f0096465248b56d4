from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgekit.cli.main import run
from edgekit.recipe.load import load_recipe


def test_what_init_writes_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                capsys: pytest.CaptureFixture[str]) -> None:
    from edgekit.workload.calibration import Samples, calibration_inputs
    from edgekit.workload.capture import capture
    from edgekit.workload.load import load_workload
    monkeypatch.chdir(tmp_path)
    assert run(["init", "my_model.py", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["files"] == ["my_model.py", "my_model.yaml", "recipe.schema.json"]
    assert said["next"] == "edgekit export my_model.py --recipe my_model.yaml -o dist"
    assert "edgekit export my_model.py --recipe my_model.yaml" in Path("my_model.py").read_text()
    assert load_recipe("my_model.yaml").recipe.name == "my_model"
    assert run(["recipes", "validate", "my_model.yaml"]) == 0
    workload = load_workload("my_model.py")
    assert len(calibration_inputs(Samples(workload), 4)) == 4
    assert capture(workload).input_names == ("image",)


def test_init_overwrites_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                 capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("workload.yaml").write_text("mine")
    assert run(["init"]) == 2
    assert "[file-exists]" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["workload.yaml"]
    assert run(["init", "first.py"]) == 0
    schema = Path("recipe.schema.json")
    newest = schema.read_text()
    older = json.loads(newest)
    del older["properties"]["overrides"]
    schema.write_text(json.dumps(older))
    assert run(["init", "second.py"]) == 0
    assert schema.read_text() == newest
    for theirs in (b"{}", b'{"title": "Recipe", "properties": {"cake": {}}}', b"\xff"):
        schema.write_bytes(theirs)
        assert run(["init", "third.py"]) == 2
        assert "FOLDER/NAME.py" in capsys.readouterr().err
        assert schema.read_bytes() == theirs
    assert not Path("third.py").exists()


@pytest.mark.parametrize("stem", ["modèle", "a" * 90, "世界", "_1", "True", "Net"])
def test_the_recipe_has_a_name_that_is_valid(stem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                             capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["init", f"{stem}.py"]) == 0
    assert run(["recipes", "validate", f"{stem}.yaml"]) == 0, capsys.readouterr().err


def test_the_next_command_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                    capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["init", "my models/net.py"]) == 0
    assert ("next: edgekit export 'my models/net.py' --recipe 'my models/net.yaml' -o dist"
            in capsys.readouterr().out)


@pytest.mark.parametrize("name", ["model.txt", "my-model.py", "1.py", "model"])
def test_init_wants_a_python_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                  capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["init", name]) == 2
    assert "my_model.py" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_what_init_writes_exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                  capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "cache"))
    assert run(["init", "start.py"]) == 0
    capsys.readouterr()
    assert run(["export", "start.py", "--recipe", "start.yaml", "-o", "dist", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert sorted(a["artifact"]["format"] for a in report["artifacts"]) == ["executorch", "onnx", "tflite"]
    assert {"model.tflite", "model.pte", "model.onnx"} <= {p.name for p in Path("dist").iterdir()}

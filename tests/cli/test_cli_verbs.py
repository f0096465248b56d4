from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgekit.cli import doctor as doctor_verb
from edgekit.cli.docs import stale
from edgekit.cli.main import run
from edgekit.devices.catalogue import list_devices
from edgekit.error_codes import CODES
from edgekit.pipeline.cache import StageCache
from edgekit.pipeline.cache_key import CacheKey
from edgekit.recipe.load import list_recipes
from edgekit.types.scheme import SCHEMES


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "cache"))


def document(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> dict[str, Any]:
    assert run([*words, "--json"]) == status
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_generated_pages_and_schemas_are_fresh() -> None:
    assert stale() == [], "run `python -m edgekit.cli.docs`"


def test_recipes_list_and_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipes", "list"]) == 0
    text = capsys.readouterr().out
    listed = document(capsys, "recipes", "list")
    assert listed["schema"] == "edgekit/recipes/1"
    assert [r["name"] for r in listed["recipes"]] == list(list_recipes())
    assert all(name in text for name in list_recipes())
    assert run(["recipes", "show", "pixel-8-cpu-int8"]) == 0
    assert capsys.readouterr().out == list_recipes()["pixel-8-cpu-int8"].read_text()
    shown = document(capsys, "recipes", "show", "pixel-8-cpu-int8")
    assert shown["recipe"]["fidelity"]["min_inputs"] == 16


def test_recipes_validate_goes_on_after_a_wrong_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: bad\ndevice: pixel-99\nformats: [executorch]\nquantize: {scheme: w8a16-static}\n"
                   "compress:\n  - structured: {ratoi: 0.3}\n")
    found = document(capsys, "recipes", "validate", str(bad), "pixel-8-cpu-int8-pruned", status=4)
    assert [f["valid"] for f in found["files"]] == [False, True]
    codes = {p["code"]: p["where"] for p in found["files"][0]["error"]["problems"]}
    assert codes["device-unknown"] == f"{bad}:2:9"
    assert codes["scheme-unsupported"] == f"{bad}:3:11"
    assert codes["key-unknown"] == f"{bad}:6:18"
    assert run(["recipes", "validate", "pixel-8-cpu-fp32"]) == 0


def test_recipes_schema_and_schemes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipes", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["properties"]["quantize"]
    table = document(capsys, "recipes", "schemes")
    assert set(table["schemes"]) == set(SCHEMES)
    assert all(set(cells) == set(SCHEMES) for cells in table["support"].values())
    assert all(cell["reason"] for cells in table["support"].values() for cell in cells.values()
               if not cell["supported"])
    assert run(["recipes", "schemes"]) == 0
    assert "w8a16-static" in capsys.readouterr().out


def test_devices(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["devices", "list"]) == 0
    assert "cortex-x3" in capsys.readouterr().out
    assert document(capsys, "devices", "list")["devices"]
    assert document(capsys, "devices", "show", "pixel-8")["device"]["soc"] == "Google Tensor G3"
    assert run(["devices", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["properties"]["sources"]
    bad = tmp_path / "bad.yaml"
    bad.write_text("id: bad\ncores: 4\n")
    found = document(capsys, "devices", "validate", "pixel-8", str(bad), status=2)
    assert [f["valid"] for f in found["files"]] == [True, False]
    bad.write_text(list_devices()["imx93"].read_text().replace("id: imx93", "id: bad")
                   .replace("core: cortex-a55", "core: cortex-a56"))
    found = document(capsys, "devices", "validate", str(bad), status=4)
    error = found["files"][0]["error"]
    assert (error["code"], error["where"]) == ("core-unknown", f"{bad}:6:12")
    assert error["message"] == "clusters.0.core: there is no model of 'cortex-a56'"
    assert "did you mean 'cortex-a" in error["next"]


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "disk-full"]) == 0
    assert CODES["disk-full"][0] in capsys.readouterr().out
    assert document(capsys, "explain", "disk-full")["title"] == CODES["disk-full"][0]
    assert set(document(capsys, "explain")["codes"]) == set(CODES)
    assert document(capsys, "explain", "disk-fill", status=2)["error"]["code"] == "code-unknown"


def test_codes_are_sorted_and_told() -> None:
    assert list(CODES) == sorted(CODES)
    assert all(title and text for title, text in CODES.values())


def test_cache(capsys: pytest.CaptureFixture[str]) -> None:
    with StageCache() as stages:
        for samples in (8, 16):
            stages.fetch(CacheKey("calibrate", "1", settings={"samples": samples}),
                         lambda folder: (folder / "x").write_bytes(b"0" * 1000) and None)
    assert document(capsys, "cache", "ls")["bytes"] == 2000
    assert run(["cache", "ls"]) == 0
    assert "calibrate" in capsys.readouterr().out
    assert document(capsys, "cache", "why", "calibrate")["differences"] == [
        {"part": "settings.samples", "before": 8, "now": 16}]
    assert run(["cache", "prune", "--max-size", "many"]) == 2
    assert "500MB" in capsys.readouterr().err
    assert document(capsys, "cache", "prune", "--max-size", "1.5kB")["bytes"] == 1000
    assert run(["cache", "prune"]) == 0
    assert "removed 1 entries" in capsys.readouterr().out
    assert document(capsys, "cache", "why", "calibrate", status=2)["error"]["code"] == "cache-unknown"


def test_doctor_finds_what_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor_verb, "RUNTIMES", {"onnx": "onnxruntime", "tflite": "json", "executorch": "no.such"})
    real = doctor_verb._version
    monkeypatch.setattr(doctor_verb, "_version", lambda name: None if name == "litert-torch" else real(name))
    found = document(capsys, "doctor")
    assert found["usable"]
    assert found["formats"]["onnx"] == {"usable": True, "problems": [], "add": None}
    assert found["formats"]["tflite"] == {"usable": False, "problems": ["litert-torch: missing"],
                                          "add": 'pip install "edgekit[tflite]"'}
    assert "ModuleNotFoundError" in found["formats"]["executorch"]["problems"][0]
    monkeypatch.setattr(doctor_verb, "_version", lambda name: None)
    assert run(["doctor"]) == 5
    printed = capsys.readouterr()
    assert 'pip install "edgekit[onnx]"' in printed.err
    assert 'pip install "torch==2.13.0"' in printed.err
    assert "missing" in printed.out


@pytest.mark.parametrize("verb", ["recipes", "devices"])
def test_showing_what_is_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str) -> None:
    (tmp_path / "x.yaml").write_bytes(b"PK\x03\x04\xff\xfe")
    assert run([verb, "show", str(tmp_path / "x.yaml")]) == 2
    assert "[file-not-readable]" in capsys.readouterr().err

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from edgekit.errors import RecipeError, UsageError
from edgekit.recipe.load import canonical, load_recipe, recipe_hash, validate_passes
from edgekit.recipe.schema import Recipe

FULL = """\
name: full
description: everything spelled out
device: pixel-8
processor: cpu
threads: 2
formats: [tflite, onnx]
compress:
  - structured: {ratio: 0.3}
quantize:
  scheme: w8a8-static
  observer: percentile
  calibration: {samples: 8, data: images}
  keep_float: [classifier, "blocks.*"]
io: {dtype: int8, layout: nhwc}
fidelity: {min_sqnr_db: 12, widen: off}
budget: {metric_drop: 0, size_mb: 4, latency_ms: 12.5, peak_memory_mb: 40}
overrides: {executorch: {backend: portable}}
"""
DEVICES = {"pixel-8": ("cpu", "gpu"), "raspberry-pi-5": ("cpu",)}


class Structured(BaseModel):
    model_config = ConfigDict(extra="forbid")
    ratio: float = Field(gt=0, lt=1)
    round_to: int = 8


def pass_settings(name: str) -> type[BaseModel]:
    if name != "structured":
        raise UsageError("pass-unknown", f"there is no pass '{name}'", next="did you mean 'structured'?")
    return Structured


def write(folder: Path, text: str) -> Path:
    path = folder / "r.yaml"
    path.write_text(text)
    return path


def mistakes(path: Path, **known: object) -> list[tuple[str, str]]:
    with pytest.raises(RecipeError) as failure:
        load_recipe(path, **known)  # type: ignore[arg-type]
    assert failure.value.problems
    return [(p.code, str(p.where).rpartition("r.yaml:")[2]) for p in failure.value.problems]


def test_a_full_recipe(tmp_path: Path) -> None:
    path = write(tmp_path, FULL)
    loaded = load_recipe(path, known_devices=DEVICES, pass_settings=pass_settings)
    recipe = loaded.recipe
    assert (recipe.threads, recipe.formats, recipe.io.layout) == (2, ("tflite", "onnx"), "nhwc")
    assert (recipe.quantize.keep_float, recipe.fidelity.widen) == (("classifier", "blocks.*"), "off")
    assert (recipe.compress[0].name, recipe.compress[0].settings) == ("structured", {"ratio": 0.3})
    assert loaded.calibration_data == tmp_path / "images"
    assert loaded.where("quantize.scheme") == f"{path}:10:11"
    assert loaded.where("compress.0.structured.ratio") == f"{path}:8:25"
    assert loaded.where("quantize.keep_float.1") == f"{path}:13:28"
    assert loaded.where("fidelity.min_inputs") == f"{path}:15:1"


def test_the_resolved_recipe_reads_back_the_same() -> None:
    for scheme in ("fp32", "w8a8-static", "w4-weight-only"):
        recipe = Recipe.model_validate({"name": "a", "quantize": {"scheme": scheme}})
        assert Recipe.model_validate(canonical(recipe)) == recipe


@pytest.mark.parametrize(("scheme", "floor", "widen"), [
    ("fp32", 60, "off"), ("fp16", 40, "off"), ("w8a8-static", 15, "auto"), ("w4-weight-only", 10, "auto")])
def test_fidelity_follows_the_scheme(tmp_path: Path, scheme: str, floor: float, widen: str) -> None:
    text = f"name: a\nquantize: {{scheme: {scheme}}}\n"
    fidelity = load_recipe(write(tmp_path, text)).recipe.fidelity
    assert (fidelity.min_sqnr_db, fidelity.widen, fidelity.min_inputs) == (floor, widen, 16)
    fidelity = load_recipe(write(tmp_path, text + "fidelity: {min_inputs: 4}\n")).recipe.fidelity
    assert (fidelity.min_sqnr_db, fidelity.widen, fidelity.min_inputs) == (floor, widen, 4)


@pytest.mark.parametrize(("line", "expected"), [
    ("nme: b", ("key-unknown", "3:1")),
    ("fidelity: {min_sqnr: 1}", ("key-unknown", "3:12")),
    ("overrides: {tflite: {}}", ("key-unknown", "3:13")),
    ("threads: two", ("type-wrong", "3:10")),
    ('threads: "2"', ("type-wrong", "3:10")),
    ("threads: 1.5", ("type-wrong", "3:10")),
    ("threads: true", ("type-wrong", "3:10")),
    ("threads: 0", ("value-wrong", "3:10")),
    ("threads:", ("type-wrong", "3:1")),
    ("formats: tflite", ("type-wrong", "3:10")),
    ("formats: []", ("value-wrong", "3:10")),
    ("formats: [tflite, tflite]", ("value-wrong", "3:10")),
    ("formats: [tflite, onxx]", ("name-unknown", "3:19")),
    ("formats: [onxx]", ("name-unknown", "3:11")),
    ("processor: dsp", ("name-unknown", "3:12")),
    ("io: {dtype: int4}", ("name-unknown", "3:13")),
    ("fidelity: {widen: no}", ("name-unknown", "3:19")),
    ("budget: {size_mb: 0}", ("value-wrong", "3:19")),
    ("budget: {size_mb: .nan}", ("type-wrong", "3:19")),
    ("budget: [1]", ("type-wrong", "3:9")),
    ("compress: [structured]", ("type-wrong", "3:12")),
    ("compress: [{a: {}, b: {}}]", ("value-wrong", "3:12")),
    ("name: twice", ("key-duplicate", "3:1")),
])
def test_each_mistake_has_its_code_and_place(tmp_path: Path, line: str, expected: tuple[str, str]) -> None:
    assert mistakes(write(tmp_path, f"name: a\nquantize: {{scheme: w8a8-static}}\n{line}\n")) == [expected]


@pytest.mark.parametrize(("quantize", "expected"), [
    ("{scheme: w8a8}", ("name-unknown", "2:20")),
    ("{scheme: w8a8-static, observer: mze}", ("name-unknown", "2:43")),
    ("{observer: mse}", ("key-missing", "2:1")),
    ("{scheme: fp32, calibration: {samples: 4}}", ("value-wrong", "2:39")),
    ("{scheme: w8a8-dynamic, observer: minmax}", ("value-wrong", "2:44")),
    ("{scheme: w8a8-static, calibration: {samples: 0}}", ("value-wrong", "2:56")),
    ('{scheme: w8a8-static, keep_float: [""]}', ("value-wrong", "2:46")),
])
def test_mistakes_of_quantize(tmp_path: Path, quantize: str, expected: tuple[str, str]) -> None:
    assert mistakes(write(tmp_path, f"name: a\nquantize: {quantize}\n")) == [expected]


@pytest.mark.parametrize(("scheme", "corrects"), [("w8-weight-only", True), ("fp32", False)])
def test_calibration_where_no_ranges_are_taken(tmp_path: Path, scheme: str, corrects: bool) -> None:
    with pytest.raises(RecipeError) as failure:
        load_recipe(write(tmp_path, f"name: a\nquantize: {{scheme: {scheme}, calibration: {{samples: 4}}}}\n"))
    assert "takes no ranges" in failure.value.message
    assert ("biases are corrected with the workload's calibration()" in failure.value.message) is corrects


def test_integer_inputs_need_static_int8(tmp_path: Path) -> None:
    path = write(tmp_path, "name: a\nquantize: {scheme: fp16}\nio: {dtype: uint8}\n")
    assert mistakes(path) == [("value-wrong", "3:5")]


def test_all_mistakes_come_at_once_in_order_of_lines(tmp_path: Path) -> None:
    path = write(tmp_path, "name: A B\ndevice: pixle-8\nprocesor: cpu\nthreads: x\nquantize:\n  scheme: w8a8_static\n"
                           "  observr: mse\nbudget: {size_mb: -1}\nbudget: {}\n")
    with pytest.raises(RecipeError) as failure:
        load_recipe(path, known_devices=DEVICES)
    error = failure.value
    assert (error.code, error.exit_status, error.where) == ("recipe-invalid", 4, f"{path}:1:7")  # device
    assert [(p.code, str(p.where).removeprefix(f"{path}:")) for p in error.problems] == [
        ("value-wrong", "1:7"), ("device-unknown", "2:9"), ("key-unknown", "3:1"), ("type-wrong", "4:10"),
        ("name-unknown", "6:11"), ("key-unknown", "7:3"), ("value-wrong", "8:19"), ("key-duplicate", "9:1")]
    hints = {p.code: p.next or "" for p in error.problems[:5]}
    assert "'pixel-8'" in hints["device-unknown"]
    assert "'processor'" in hints["key-unknown"]
    assert "'w8a8-static'" in hints["name-unknown"]
    assert len(error.document()["problems"]) == 8
    assert pickle.loads(pickle.dumps(error)).document() == error.document()


def test_devices_and_their_processors(tmp_path: Path) -> None:
    text = "name: a\ndevice: raspberry-pi-5\nprocessor: gpu\nquantize: {scheme: fp32}\n"
    path = write(tmp_path, text)
    assert mistakes(path, known_devices=DEVICES) == [("name-unknown", "3:12")]
    assert load_recipe(path, known_devices=set(DEVICES)).recipe.processor == "gpu"
    assert load_recipe(path).recipe.device == "raspberry-pi-5"


def test_a_processor_needs_a_device(tmp_path: Path) -> None:
    path = write(tmp_path, "name: a\nprocessor: npu\nquantize: {scheme: fp32}\n")
    assert mistakes(path, known_devices=DEVICES) == [("value-wrong", "2:12")]
    assert load_recipe(path).recipe.processor == "npu", "another device may take the place of the recipe's"


def test_a_scheme_that_a_format_cannot_do(tmp_path: Path) -> None:
    path = write(tmp_path, "name: a\nformats: [tflite, executorch]\nquantize: {scheme: w8a16-static}\n")
    assert mistakes(path, check_scheme=lambda f, s: "no kernels" if f == "executorch" else None) == [
        ("scheme-unsupported", "2:19")]


@pytest.mark.parametrize(("passes", "expected"), [
    ("[{structured: {ratio: 2}}]", [("value-wrong", "3:33")]),
    ("[{structured: {ratoi: 0.3}}]", [("key-missing", "3:13"), ("key-unknown", "3:26")]),
    ("[{structured: {ratio: '0.3'}}]", [("type-wrong", "3:33")]),
    ("[{structured: }]", [("key-missing", "3:13")]),
    ("[{strctured: {}}]", [("pass-unknown", "3:13")]),
])
def test_mistakes_of_passes(tmp_path: Path, passes: str, expected: list[tuple[str, str]]) -> None:
    path = write(tmp_path, f"name: a\nquantize: {{scheme: fp32}}\ncompress: {passes}\n")
    assert mistakes(path, pass_settings=pass_settings) == expected
    with pytest.raises(RecipeError) as failure:
        validate_passes(load_recipe(path), pass_settings)
    assert [p.code for p in failure.value.problems] == [code for code, _ in expected]


def test_a_name_that_is_nowhere() -> None:
    with pytest.raises(RecipeError) as failure:
        load_recipe("pixel-8-cpu-int9")
    assert failure.value.code == "recipe-not-found"
    assert "'pixel-8-cpu-int8'" in str(failure.value.next)
    with pytest.raises(RecipeError, match="no file"):
        load_recipe("nowhere/r.yaml")


def test_the_hash_is_of_what_is_asked(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, FULL)).recipe
    assert recipe_hash(recipe) == recipe_hash(recipe.model_copy(update={"name": "other", "description": ""}))
    assert recipe_hash(recipe) != recipe_hash(recipe.model_copy(update={"threads": 3}))

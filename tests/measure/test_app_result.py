"""What counts as the sample app's result, and what edgekit makes of one."""

from __future__ import annotations

import base64
import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.bundle.runtimes import RUNTIMES
from edgekit.contracts import RunSettings
from edgekit.errors import ConversionError, DeviceError, EdgekitError
from edgekit.measure.app_result import AppRequest, read_result, target_run
from edgekit.types.app_result import AppOutput

OUTPUT = np.array([[0.5, -1.5]], "<f4")
GOOD: dict[str, Any] = {
    "schema": "edgekit/app-result/1", "id": "a1", "status": "ok", "error": None,
    "model": {"file": "edgekit/model.tflite", "format": "tflite", "sha256": "ab"}, "runtime": "litert 2.3.0",
    "threads": 2, "warmup": 0, "runs": 2, "load_ns": 7_000_000, "times_ns": [1_500_000, 2_500_000],
    "peak_rss_bytes": None, "golden": [{"max_abs": 0.25, "tolerance": 0.5, "pass": True}],
    "outputs": [{"shape": [1, 2], "dtype": "float32", "base64": base64.b64encode(OUTPUT.tobytes()).decode()}],
    "device": {"manufacturer": "Google", "model": "Pixel 8", "soc": "Tensor G3", "sdk": 34, "abis": ["arm64-v8a"],
               "emulated": False, "thermal_status": 2},
    "app": {"package": "dev.edgekit.demo.litert", "version": "0.1.0"}}
REQUEST = AppRequest("a1", Path("out/model.tflite"), "tflite", "edgekit/model.tflite", "ab",
                     "dev.edgekit.demo.litert", RunSettings(warmup=0, repeats=2, threads=2))


def changed(**keys: Any) -> bytes:
    """The good document with other values; a dotted key is written with two underscores, ``...`` takes it away."""
    document = copy.deepcopy(GOOD)
    for key, value in keys.items():
        *path, last = key.split("__")
        at: Any = document
        for step in path:
            at = at[int(step) if step.isdigit() else step]
        if value is ...:
            del at[last]
        else:
            at[last] = value
    return json.dumps(document).encode()


def test_a_whole_result() -> None:
    run = target_run(read_result(changed(), REQUEST), REQUEST, emulated=False)
    np.testing.assert_array_equal(run.outputs[0], OUTPUT)
    assert (run.times_ms, run.memory, run.runtime) == ((1.5, 2.5), None, "litert 2.3.0, in the sample app")
    assert [(g.max_abs, g.tolerance, g.agrees) for g in run.golden] == [(0.25, 0.5, True)]
    assert run.facts == {
        "app": "dev.edgekit.demo.litert 0.1.0", "model": "Google Pixel 8", "soc": "Tensor G3",
        "android": "API level 34", "thermal_status": "moderate", "load_time": "7 ms [measured]",
        "golden_vectors": "pass: 1 of 1 within tolerance, the largest error 0.25"}


@pytest.mark.parametrize(("said", "known"), [(True, False), (False, True)])
def test_an_emulated_device_has_neither_times_nor_memory(said: bool, known: bool) -> None:
    document = changed(device__emulated=said, peak_rss_bytes=2**20)
    run = target_run(read_result(document, REQUEST), REQUEST, emulated=known)
    assert (run.times_ms, run.memory) == ((), None)
    assert "emulated" in run.facts
    assert not {"load_time", "process_memory"} & set(run.facts)
    assert not any(unit in text for text in run.facts.values() for unit in (" ms", "MiB"))


def test_memory_of_the_process_is_no_memory_of_the_model() -> None:
    run = target_run(read_result(changed(peak_rss_bytes=3 * 2**19), REQUEST), REQUEST, emulated=False)
    assert run.memory is None
    assert run.facts["process_memory"].startswith("1.5 MiB at the peak [measured]")


def test_a_failed_golden_vector() -> None:
    document = changed(golden=[GOOD["golden"][0], {"max_abs": 2, "tolerance": 0.5, "pass": False}])
    run = target_run(read_result(document, REQUEST), REQUEST, emulated=False)
    assert [g.agrees for g in run.golden] == [True, False]
    assert run.facts["golden_vectors"] == "fail: 1 of 2 within tolerance, the largest error 2"
    run = target_run(read_result(changed(golden=[{"max_abs": None, "tolerance": 0.5, "pass": False}]), REQUEST),
                     REQUEST, emulated=False)
    assert (run.golden[0].max_abs, run.golden[0].agrees) == (np.finfo(float).max, False)
    assert run.facts["golden_vectors"] == "fail: 0 of 1 within tolerance, the largest error not finite"


@pytest.mark.parametrize(("document", "said"), [
    (changed()[:-200], "JSON"), (b"", "JSON"), (b"[]", "object"), (changed() + b"x", "JSON"),
    (changed(schema="edgekit/app-result/2"), "schema"), (changed(status="done"), "status"),
    (changed(status=...), "status"), (changed(more=1), "more"), (changed(load_ns=...), "load_ns"),
    (changed(id="b2"), "it answers b2, not a1"), (changed(model__sha256="cd"), "sha256 cd, not ab"),
    (changed(model__file="edgekit/model.onnx"), "file"), (changed(model__format="onnx"), "format"),
    (changed(app__package="dev.edgekit.demo.onnx"), "package"), (changed(threads=1), "threads 1, not 2"),
    (changed(warmup=1), "warmup 1"), (changed(runs=1, times_ns=[5]), "runs 1"),
    (changed(times_ns=[5]), "1 times of 2 runs"), (changed(times_ns=[5, 0]), "times_ns.1"),
    (changed(times_ns=[5, -5]), "times_ns.1"), (changed(times_ns=[5, "5"]), "times_ns.1"),
    (changed(times_ns=[5, 5.5]), "times_ns.1"), (changed(error={"code": "run", "message": ""}), "error"),
    (changed(golden=[]), "golden"), (changed(outputs=[]), "outputs"), (changed(golden__0__max_abs=0.6), "cannot pass"),
    (changed(golden__0__max_abs=None), "cannot pass"),
    (changed(golden__0__max_abs=float("nan")), "golden.0.max_abs"),
    (changed(golden__0__max_abs=float("inf")), "golden.0.max_abs"), (changed(device__emulated=0), "device.emulated"),
])
def test_what_is_no_result(document: bytes, said: str) -> None:
    with pytest.raises(DeviceError, match=r"dev\.edgekit\.demo\.litert cannot be used") as failure:
        read_result(document, REQUEST)
    assert failure.value.code == "app-result"
    assert said in str(failure.value.cause)


@pytest.mark.parametrize("output", [
    {"base64": "AAAA"}, {"base64": GOOD["outputs"][0]["base64"][:-1]}, {"base64": "!" * 12}, {"shape": [1, 3]},
    {"dtype": "float64"}, {"dtype": "object"}, {"shape": [-1, 2]}])
def test_outputs_that_are_not_what_they_say(output: dict[str, Any]) -> None:
    document = changed(outputs=[{**GOOD["outputs"][0], **output}])
    with pytest.raises(DeviceError) as failure:
        target_run(read_result(document, REQUEST), REQUEST, emulated=False)
    assert failure.value.code == "app-result"


@pytest.mark.parametrize(("code", "family", "raised"), [
    ("request", DeviceError, "app-failed"), ("bundle", DeviceError, "app-failed"),
    ("model-changed", DeviceError, "app-model-changed"), ("load", ConversionError, "artifact-does-not-load"),
    ("run", ConversionError, "artifact-does-not-run")])
def test_an_app_that_failed(code: str, family: type[EdgekitError], raised: str) -> None:
    """With no more than it must say, and with whatever else it knew."""
    for document in ({k: GOOD[k] for k in ("schema", "id")}, GOOD | {"times_ns": [], "model": None}):
        text = json.dumps(document | {"status": "error", "error": {"code": code, "message": "the app's words"}})
        with pytest.raises(family) as failure:
            read_result(text.encode(), REQUEST)
        assert (failure.value.code, failure.value.cause) == (raised, "the app's words")
    if code == "model-changed":
        assert failure.value.next == "edgekit bundle out --app PATH, then install the app again"


def test_an_unknown_failure_is_no_result() -> None:
    with pytest.raises(DeviceError) as failure:
        read_result(changed(status="error", error={"code": "mood", "message": "no"}), REQUEST)
    assert failure.value.code == "app-result"


def test_every_dtype_that_is_bundled_can_come_back() -> None:
    for dtype in set().union(*(runtime.dtypes for runtime in RUNTIMES.values())):
        assert AppOutput(shape=(1,), dtype=dtype, base64="").dtype == dtype

"""``--on adb --app`` against a real adbd of an emulated phone, where stand-ins speak the sample app's protocol."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from android_app import FLAVORS, Phone, answer
from daemons import Adbd, adbd, android_root, serve_adb
from test_emulated import FILES
from workloads import Exported

from edgekit import api
from edgekit.cli.main import run
from edgekit.contracts import RunSettings, TargetRun
from edgekit.errors import ConversionError, DeviceError, EdgekitError, UsageError
from edgekit.measure import adb_app
from edgekit.measure.adb_app import AdbAppTarget

__all__ = ["adbd", "android_root"]

SETTINGS = RunSettings(warmup=1, repeats=3, seconds=60)
JAVA_CRASH = """FATAL EXCEPTION: benchmark
Process: dev.edgekit.demo.litert, PID: 4711
java.lang.IllegalStateException: no such tensor
\tat dev.edgekit.demo.ErrorPath.run(Bench.kt:12)
"""
NATIVE_CRASH = """*** *** ***
Cmdline: dev.edgekit.demo.litert
pid: 4711, tid: 4712, name: benchmark  >>> dev.edgekit.demo.litert <<<
signal 11 (SIGSEGV), code 1 (SEGV_MAPERR), fault addr 0x0
      #00 pc 0000  /data/app/lib/arm64/libErrorReporter.so
"""


@pytest.fixture(scope="module")
def served(android_root: Path) -> Iterator[Adbd]:
    with serve_adb(android_root) as found:
        yield found


@pytest.fixture
def phone(served: Adbd, monkeypatch: pytest.MonkeyPatch) -> Phone:
    return reached(served, monkeypatch)


def reached(daemon: Adbd, monkeypatch: pytest.MonkeyPatch) -> Phone:
    for name, value in daemon.env.items():
        monkeypatch.setenv(name, value)
    return Phone(daemon)


def document(capsys: pytest.CaptureFixture[str], phone: Phone, artifact: Path,
             *arguments: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    status = run(["measure", str(artifact), "--on", phone.on, "--app", "--warmup", "1", "--repeats", "3", "--json",
                  *arguments])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return status, found


def measured(phone: Phone, artifact: Path, settings: RunSettings = SETTINGS) -> TargetRun:
    target = AdbAppTarget()
    target.prepare(phone.adbd.serial, "tflite")
    return target.run(artifact, (), settings)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_an_artifact_in_the_app(exported: Exported, phone: Phone, capsys: pytest.CaptureFixture[str],
                                name: str) -> None:
    artifact = exported.out / FILES[name]
    result = answer(artifact, name, emulated=False)
    phone.set_up(result)
    status, found = document(capsys, phone, artifact)
    assert (status, found["agreement"]["identical"], found["inputs"]) == (0, True, "the first golden vector")
    latency = found["latency"]
    assert (latency["kind"], latency["ms"], latency["device"]) == ("measured", 2.0, phone.on)
    assert (latency["low_ms"], latency["high_ms"]) == (pytest.approx(1.2), pytest.approx(2.8))
    assert (found["memory"], found["counts"]) == (None, None)
    assert found["runtime"] == f"{FLAVORS[name]} 1.2.3, in the sample app"
    assert found["facts"]["process_memory"].startswith("90.0 MiB")
    assert found["facts"]["golden_vectors"].startswith("pass: 2 of 2")
    package = f"dev.edgekit.demo.{FLAVORS[name]}"
    before, start, after = phone.calls
    assert before == after == ["force-stop", package]
    assert re.fullmatch(r"[a-z0-9]{1,32}", start[6])
    assert start == [
        "start", "-W", "-n", f"{package}/dev.edgekit.demo.BenchmarkActivity", "--es", "id", start[6], "--es", "model",
        f"edgekit/{FILES[name]}", "--es", "sha256", result["model"]["sha256"], "--ei", "warmup", "1", "--ei", "runs",
        "3", "--ei", "threads", "1"]
    assert phone.left == []


@pytest.mark.slow
def test_an_emulated_phone_gives_no_milliseconds(exported: Exported, phone: Phone,
                                                 capsys: pytest.CaptureFixture[str]) -> None:
    artifact = exported.out / "model.tflite"
    phone.set_up(answer(artifact, "tflite", emulated=True))
    status, found = document(capsys, phone, artifact)
    assert (status, found["latency"], found["memory"]) == (0, None, None)
    assert "emulated" in found["facts"]["emulated"]
    assert run(["measure", str(artifact), "--on", phone.on, "--app", "--warmup", "1", "--repeats", "3"]) == 0
    said = capsys.readouterr().out
    assert "bit for bit" in said
    assert " ms" not in said


def test_an_image_of_androids_emulator(exported: Exported, phone: Phone) -> None:
    """Whatever the app says of it."""
    artifact = exported.out / "model.tflite"
    phone.set_up(answer(artifact, "tflite", emulated=False), properties={"ro.boot.qemu": "1"})
    found = measured(phone, artifact)
    assert found.times_ms == ()
    assert "emulated" in found.facts


@pytest.mark.slow
def test_a_golden_vector_that_fails(exported: Exported, phone: Phone, capsys: pytest.CaptureFixture[str]) -> None:
    """The outputs for the first one are this machine's, bit for bit; the app says that another one's are not."""
    artifact = exported.out / "model.tflite"
    result = answer(artifact, "tflite", emulated=False)
    phone.set_up(result | {"golden": [*result["golden"], {"max_abs": 9, "tolerance": 0.5, "pass": False}]})
    status, found = document(capsys, phone, artifact)
    assert status == 1
    assert found["agreement"] == {"identical": False, "max_abs": 9.0, "tolerance": 0.5, "agrees": False}
    assert found["facts"]["golden_vectors"].startswith("fail: 2 of 3")


@pytest.mark.slow
def test_other_outputs(exported: Exported, phone: Phone) -> None:
    artifact = exported.out / "model.tflite"
    result = answer(artifact, "tflite", emulated=False)
    others = answer(exported.out / "model.onnx", "onnx", emulated=False)["outputs"]
    assert others != result["outputs"]
    phone.set_up(result | {"outputs": others})
    found = api.measure(artifact, phone.on, app=True, warmup=1, repeats=3)
    assert not found.agreement.identical
    assert found.agreement.max_abs > 0


@pytest.mark.parametrize(("level", "said"), [
    ("34", "gradle installLitertDebug"), ("25", "leave --app away"), ("", "gradle installLitertDebug")])
def test_an_app_that_is_not_installed(phone: Phone, level: str, said: str) -> None:
    phone.set_up(None, installed=False, properties={"ro.build.version.sdk": level})
    with pytest.raises(DeviceError) as failure:
        AdbAppTarget().prepare(phone.adbd.serial, "tflite")
    assert failure.value.code == "app-missing"
    assert said in str(failure.value.next)


@pytest.mark.parametrize(("said", "status", "cause"), [
    ("Exception occurred while executing 'start':\njava.lang.SecurityException: Permission Denial: starting Intent "
     "requires android.permission.DUMP\n\tat android.os.Parcel.readException\n", 255, "android.permission.DUMP"),
    ("java.lang.SecurityException: Permission Denial: starting Intent requires android.permission.DUMP\n", 0,
     "android.permission.DUMP"),
    ("Starting: Intent { cmp=x }\nError type 3\nError: Activity class {x} does not exist.\n", 0, "does not exist"),
    ("", 1, "status 1")])
def test_an_activity_that_is_refused(exported: Exported, phone: Phone, said: str, status: int, cause: str) -> None:
    phone.set_up(None, refusal=(said, status))
    with pytest.raises(DeviceError) as failure:
        measured(phone, exported.out / "model.tflite")
    assert failure.value.code == "app-refused"
    assert cause in str(failure.value.cause)
    assert "readException" not in str(failure.value.cause)


@pytest.mark.parametrize(("code", "family", "raised"), [
    ("run", ConversionError, "artifact-does-not-run"), ("model-changed", DeviceError, "app-model-changed")])
def test_a_result_that_says_what_failed(exported: Exported, phone: Phone, code: str, family: type[EdgekitError],
                                        raised: str) -> None:
    phone.set_up({"schema": "edgekit/app-result/1", "id": "@ID@", "status": "error",
                  "error": {"code": code, "message": "the app's words"}})
    with pytest.raises(family) as failure:
        measured(phone, exported.out / "model.tflite")
    assert (failure.value.code, failure.value.cause) == (raised, "the app's words")
    assert phone.left == []


@pytest.mark.parametrize(("log", "cause"), [
    (JAVA_CRASH, "java.lang.IllegalStateException: no such tensor"),
    (NATIVE_CRASH, "signal 11 (SIGSEGV), code 1 (SEGV_MAPERR), fault addr 0x0"),
    (JAVA_CRASH.replace("dev.edgekit.demo.litert", "another.app"), "the device's crash log has nothing of it"),
    ("", "the device's crash log has nothing of it")])
def test_an_app_that_crashes(exported: Exported, phone: Phone, log: str, cause: str) -> None:
    phone.set_up(None, stays=False, crash=log)
    with pytest.raises(DeviceError) as failure:
        measured(phone, exported.out / "model.tflite")
    assert failure.value.code == "app-crashed"
    assert str(failure.value.cause).startswith(cause)


def test_an_app_that_ends_after_its_result(exported: Exported, phone: Phone) -> None:
    """Android may take back a process whose activity has finished: that is no crash."""
    artifact = exported.out / "model.tflite"
    phone.set_up(answer(artifact, "tflite", emulated=False), stays=False)
    assert measured(phone, artifact).times_ms == (1.0, 2.0, 3.0)


def test_a_result_that_is_cut_short(exported: Exported, phone: Phone) -> None:
    artifact = exported.out / "model.tflite"
    phone.set_up(json.dumps(answer(artifact, "tflite", emulated=False))[:-40])
    with pytest.raises(DeviceError, match="cannot be used") as failure:
        measured(phone, artifact)
    assert failure.value.code == "app-result"
    assert phone.left == []


def test_an_app_that_takes_too_long(exported: Exported, phone: Phone) -> None:
    phone.set_up(None, errors="benchmark slow\nno result: it cannot be written\n")
    with pytest.raises(DeviceError, match="in the app on adb:") as failure:
        measured(phone, exported.out / "model.tflite", RunSettings(warmup=1, repeats=3, seconds=5))
    assert (failure.value.code, failure.value.cause) == ("target-timeout", "no result: it cannot be written")
    assert phone.calls[-1] == ["force-stop", "dev.edgekit.demo.litert"]
    assert ["sleep", "600"] not in [program[-2:] for program in phone.adbd.machine.programs()]


def test_a_cable_that_is_pulled(exported: Exported, adbd: Callable[..., Adbd],
                                monkeypatch: pytest.MonkeyPatch) -> None:
    phone = reached(adbd(), monkeypatch)
    phone.set_up(None)
    monkeypatch.setattr(adb_app.time, "sleep", lambda _: phone.adbd.machine.cut(how="gone"))
    with pytest.raises(DeviceError) as failure:
        measured(phone, exported.out / "model.tflite")
    assert failure.value.code == "target-lost"


@pytest.mark.parametrize("more", [{"on": "host"}, {"on": "emulated:pixel-8"}, {"on": "adb", "operators": True},
                                  {"on": "adb", "oldest_runtime": True}])
def test_what_does_not_go_with_the_app(exported: Exported, more: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as failure:
        api.measure(exported.out / "model.tflite", app=True, **more)
    assert failure.value.code == "app-options"


def test_an_artifact_without_golden_vectors(exported: Exported, tmp_path: Path) -> None:
    artifact = shutil.copy(exported.out / "model.tflite", tmp_path / "model.tflite")
    with pytest.raises(UsageError) as failure:
        api.measure(artifact, "adb", app=True)
    assert failure.value.code == "golden-missing"


def test_a_format_that_the_app_does_not_run() -> None:
    with pytest.raises(UsageError) as failure:
        AdbAppTarget().prepare("", "another")
    assert failure.value.code == "app-format"

"""``--on adb[:SERIAL] --app``: inside the sample app on an Android device, by its benchmark activity."""

from __future__ import annotations

import re
import secrets
import shlex
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from edgekit.contracts import RunSettings, TargetRun
from edgekit.disk import sha256_of
from edgekit.errors import DeviceError, UsageError
from edgekit.measure.adb import connect
from edgekit.measure.app_result import AppRequest, read_result, target_run
from edgekit.types.app import FLAVORS, MIN_API

__all__ = ["AdbAppTarget"]

_ACTIVITY = "dev.edgekit.demo.BenchmarkActivity"
_SHORT_S = 30
_POLL_S = 1.0  # rarely: each look takes the device's time too
# What `am` says of a start that failed; older ones end with 0 all the same.
_REFUSED = re.compile(r"^Error\b|SecurityException|does not exist|Exception occurred", re.MULTILINE)
# Of a crash log's stack traces and registers, the lines that tell.
_TELLING = re.compile(r"^(?!\s*(at |#)).*(Exception|Error|Caused by|Abort message|signal \d+|Fatal)", re.MULTILINE)
_CRASH = re.compile(r"^(?=FATAL EXCEPTION|\*\*\* )", re.MULTILINE)
_LAST_WORDS = 3


class AdbAppTarget:
    """See ``contracts.Target``. The app has the model and its golden vectors already; nothing is pushed."""

    in_process = False

    def prepare(self, address: str, format_name: str) -> None:
        if format_name not in FLAVORS:
            raise UsageError("app-format", f"the sample app has no runtime for {format_name}",
                             cause=f"it runs {', '.join(FLAVORS)}", next="leave --app away")
        self._format, self._flavor = format_name, FLAVORS[format_name]
        self._package, self._shell = self._flavor.package, connect(address)
        asked = self._shell.run(f"echo level=$(getprop ro.build.version.sdk); echo package=$(pm path {self._package})\n"
                                "echo qemu=$(getprop ro.boot.qemu)$(getprop ro.kernel.qemu)", _SHORT_S)
        found = dict(line.split("=", 1) for line in asked.out.splitlines() if "=" in line)
        # an image of Android's own emulator says so; others are found out by the app
        self._emulated = "1" in found.get("qemu", "")
        if not found.get("package", "").startswith("package:"):
            raise self._missing(found.get("level", ""), asked.err)

    def run(self, artifact: Path, inputs: Sequence[np.ndarray], settings: RunSettings) -> TargetRun:
        """``inputs`` are to be the first golden vector's: those are what the app answers with outputs to."""
        request = AppRequest(secrets.token_hex(8), artifact, self._format, self._flavor.asset, sha256_of(artifact),
                             self._package, settings)
        # getExternalFilesDir("edgekit"), as adb's shell sees it
        result = f"/sdcard/Android/data/{self._package}/files/edgekit/{request.id}.json"
        # a process of its own: what ran in it before would be in its peak of memory
        began = self._shell.run(f"am force-stop {self._package}; date '+%m-%d %H:%M:%S.000'", _SHORT_S).out.strip()
        try:
            end = time.monotonic() + settings.seconds
            self._start(request)
            self._wait(result, end, request, began)
            with tempfile.TemporaryDirectory(prefix="edgekit-app-") as folder:
                local = Path(folder) / "result.json"
                self._shell.pull(result, local, settings.seconds)
                document = local.read_bytes()
        finally:
            with suppress(DeviceError):  # the connection is gone: the error on its way says so
                self._shell.run(f"rm -f {result} {result}.tmp; am force-stop {self._package}", _SHORT_S)
        return target_run(read_result(document, request), request, emulated=self._emulated)

    def _start(self, request: AppRequest) -> None:
        settings = request.settings
        words = ["am", "start", "-W", "-n", f"{self._package}/{_ACTIVITY}", "--es", "id", request.id,
                 "--es", "model", request.file, "--es", "sha256", request.sha256, "--ei", "warmup", settings.warmup,
                 "--ei", "runs", settings.repeats, "--ei", "threads", settings.threads]
        done = self._shell.run(shlex.join(map(str, words)), settings.seconds)
        said = f"{done.out}\n{done.err}"
        if done.status or _REFUSED.search(said):
            lines = [line.strip() for line in said.splitlines() if line.strip()]
            telling = [line for line in lines if _REFUSED.search(line) and "Exception occurred" not in line] or lines
            raise DeviceError("app-refused", f"{self._shell.name} did not start the app's benchmark",
                              cause="; ".join(telling[-_LAST_WORDS:]) or f"am ended with status {done.status}",
                              next=f"install the app again, built from this release of edgekit: {self._gradle()}")

    def _wait(self, result: str, end: float, request: AppRequest, began: str) -> None:
        """Until the result is there: the app renames it into place when it is whole."""
        # the process first: one that ends after its last word is not taken for one that crashed
        look = (f"p=$(pidof {self._package}); if [ -f {result} ]; then echo there; "
                'elif [ -n "$p" ]; then echo runs; else echo gone; fi')
        gone = False
        while (state := self._shell.run(look, _SHORT_S).out.strip()) != "there":
            if gone and state == "gone":  # twice: a slow device may not have started it yet
                raise self._crashed(request, began)
            gone = state == "gone"
            if time.monotonic() > end:
                said = self._log("-s edgekit:E", began).strip().splitlines()
                raise DeviceError("target-timeout", f"{request.artifact.name} took more than "
                                  f"{request.settings.seconds:g} s in the app on {self._shell.name}",
                                  cause=said[-1] if said else None,
                                  next="unlock the device and keep its screen on, or give it longer with --timeout")
            time.sleep(_POLL_S)

    def _crashed(self, request: AppRequest, began: str) -> DeviceError:
        log = self._log("-b crash", began)
        crashes = [crash for crash in _CRASH.split(log) if self._package in crash]  # other apps crash too
        lines = [line.strip() for line in crashes[-1].splitlines() if _TELLING.search(line)] if crashes else []
        return DeviceError(
            "app-crashed", f"the app ended without a result on {self._shell.name}", where=str(request.artifact),
            cause="; ".join(lines[-_LAST_WORDS:]) or "the device's crash log has nothing of it; the system may have "
                                                     "ended it for its memory",
            next=f"edgekit measure {request.artifact.name} --on {self._shell.name} runs the file without the app")

    def _log(self, which: str, began: str) -> str:
        """What the device logged since the benchmark began, by its own clock."""
        return self._shell.run(f"logcat -d -v raw -T {shlex.quote(began)} {which}", _SHORT_S).out

    def _missing(self, level: str, said: str) -> DeviceError:
        if level.isdigit() and int(level) < MIN_API:
            return DeviceError("app-missing", f"the sample app cannot be installed on {self._shell.name}",
                               cause=f"its Android has API level {level}, the app needs {MIN_API}",
                               next="leave --app away, or take a newer device")
        return DeviceError("app-missing", f"{self._package} is not installed on {self._shell.name}",
                           cause=said.strip().splitlines()[-1] if said.strip() else None,
                           next=f"edgekit bundle DIR --app PATH, then in PATH: {self._gradle()}")

    def _gradle(self) -> str:
        serial = self._shell.name.removeprefix("adb:")
        return f"ANDROID_SERIAL={serial} gradle install{self._flavor.name.capitalize()}Debug"

"""``--on adb[:SERIAL]``: an Android device through the real ``adb`` client."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgekit.contracts import RunSettings, TargetRun
from edgekit.errors import DeviceError, EnvironmentProblem
from edgekit.measure.emulated.installation import installed
from edgekit.measure.remote import Done, RemoteRun, no_space

__all__ = ["AdbShell", "AdbTarget", "connect"]

_CONNECT_S = 30
_END = "edgekit-status:"
# How adb says that the device went away, as it fails.
_LOST = ("device offline", "closed", "device not found", "no devices/emulators found", "' not found", "protocol fault",
         "connect failed", "transport")


class AdbTarget:
    """See ``contracts.Target``. Without a serial the one device that is connected is taken."""

    in_process = False

    def prepare(self, address: str, format_name: str) -> None:
        installation = installed(format_name)
        self._remote = RemoteRun(connect(address), installation)

    def run(self, artifact: Path, inputs: Sequence[np.ndarray], settings: RunSettings) -> TargetRun:
        return self._remote.run(artifact, inputs, settings)


def connect(address: str) -> AdbShell:
    """The device of that serial, or the one that is connected.

    Raises EnvironmentProblem without adb, DeviceError where the device is not there, not ready, or not the only one.
    """
    if not shutil.which("adb"):
        raise EnvironmentProblem("adb-missing", "adb is not installed", next="apt-get install adb")
    return AdbShell(_serial(address))


def _serial(wanted: str) -> str:
    """The serial of the device to use. Raises DeviceError where it is not there, not ready, or not the only one."""
    said = _adb([], ["devices"], _CONNECT_S)
    states = dict(line.split("\t", 1) for line in said.out.splitlines() if "\t" in line)
    ready = [serial for serial, state in states.items() if state == "device"]
    serial = wanted or (ready[0] if len(ready) == 1 else "")
    if serial in ready:
        return serial
    if serial in states:
        raise DeviceError("target-unreachable", f"the device {serial} is {states[serial]}",
                          next="unlock it and allow USB debugging" if states[serial] == "unauthorized"
                          else f"adb -s {serial} reconnect")
    listed = ", ".join(states) or "none"
    if not wanted and len(ready) > 1:
        raise DeviceError("target-unreachable", f"{len(ready)} devices are connected: {listed}",
                          next="name one: --on adb:SERIAL")
    raise DeviceError("target-unreachable", f"adb has no device{f' {wanted}' if wanted else ''}",
                      cause=f"connected: {listed}" if said.status == 0 else said.err.strip(),
                      next="connect it and look at `adb devices`")


class AdbShell:
    """See ``remote.Shell``."""

    def __init__(self, serial: str) -> None:
        self.name, self._device = f"adb:{serial}", ["-s", serial]
        self.folder = os.environ.get("EDGEKIT_TARGET_FOLDER", "/data/local/tmp")

    def run(self, command: str, seconds: float) -> Done:
        # adb ends with 0 where the device goes away in the middle: only the last line says that the command ended
        done = self._checked(["shell", "-T", "-n", f"({command}\n)\ns=$?; echo; echo {_END}$s"], seconds)
        out, _, status = done.out.rpartition(f"\n{_END}")
        if not status.strip().isdigit():
            raise self._lost(done.err.strip() or "the command's end did not arrive")
        return Done(int(status), out, done.err)

    def push(self, local: Path, remote: str, seconds: float) -> None:
        self._transfer(["push", str(local), remote], seconds)

    def pull(self, remote: str, local: Path, seconds: float) -> None:
        self._transfer(["pull", remote, str(local)], seconds)

    def _transfer(self, arguments: list[str], seconds: float) -> None:
        done = self._checked(arguments, seconds)
        if done.status:
            # a line an error, files that were skipped, and how many were transferred
            lines = [line for line in f"{done.err}\n{done.out}".splitlines() if "error" in line]
            said = lines[0] if lines else f"status {done.status}"
            if _adb(self._device, ["get-state"], _CONNECT_S).status:
                raise self._lost(said)
            raise no_space(self.name, said) or DeviceError(
                "target-failed", f"{self.name}: adb {arguments[0]} failed", cause=said,
                next=f"check the folder that is used there, {self.folder} (EDGEKIT_TARGET_FOLDER)")

    def _checked(self, arguments: list[str], seconds: float) -> Done:
        done = _adb(self._device, arguments, seconds)
        if done.status == 1 and any(word in line for word in _LOST for line in done.err.splitlines()
                                    if line.startswith(("error:", "adb:"))):
            raise self._lost(done.err.strip().splitlines()[-1])
        return done

    def _lost(self, cause: str) -> DeviceError:
        return DeviceError("target-lost", f"the connection to {self.name} was lost", cause=cause,
                           next="check the cable and `adb devices`, then run it again")


def _adb(device: list[str], arguments: list[str], seconds: float) -> Done:
    try:
        done = subprocess.run(["adb", *device, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise DeviceError("target-timeout", f"adb {arguments[0]} did not end within {seconds:g} s",
                          next="check the connection and `adb devices`, or give it longer with --timeout") from None
    return Done(done.returncode, done.stdout, done.stderr)

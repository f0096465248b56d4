"""What targets behind a shell share: push a portable runner, run it, pull its result, tidy up."""

from __future__ import annotations

import secrets
import shlex
import signal
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from edgekit.contracts import RunSettings, TargetRun
from edgekit.errors import ConversionError, DeviceError
from edgekit.measure.emulated.installation import Installation
from edgekit.measure.job import JobResult, read_job
from edgekit.measure.portable import bare_command, command, write_portable
from edgekit.types.latency import Memory

__all__ = ["Done", "RemoteRun", "Shell"]

_RESULT = ("result.json", "outputs.bin")
_LAST_WORDS = 3
_GRACE_S = 30
# key=value lines, of what the system has; a shell without one of the programs leaves its line out
_FACTS = r"""
echo machine=$(uname -m)
echo kernel=$(uname -sr)
for f in model compatible; do [ -r /proc/device-tree/$f ] && echo $f=$(tr '\0' ' ' < /proc/device-tree/$f); done
command -v getprop > /dev/null && echo model=$(getprop ro.product.model) && echo soc=$(getprop ro.soc.model)
true
"""
# right after the runs: what the clock came to while they lasted
_CLOCK = r"""
cd /sys/devices/system/cpu/cpu0/cpufreq 2> /dev/null && for f in scaling_governor scaling_cur_freq cpuinfo_max_freq
do [ -r $f ] && echo $f=$(cat $f); done
true
"""


@dataclass(frozen=True)
class Done:
    """A command that ended on the target."""

    status: int
    out: str
    err: str


class Shell(Protocol):
    """A connection to a target. All raise DeviceError: ``target-unreachable``, ``target-lost``, ``target-no-space``."""

    name: str
    folder: str

    def run(self, command: str, seconds: float) -> Done: ...

    def push(self, local: Path, remote: str, seconds: float) -> None:
        """Copies the folder ``local`` to ``remote``, which is not there yet."""
        ...

    def pull(self, remote: str, local: Path, seconds: float) -> None:
        """Copies one file."""
        ...


class RemoteRun:
    """One artifact on one connected target."""

    def __init__(self, shell: Shell, installation: Installation) -> None:
        self._shell, self._installation = shell, installation

    def run(self, artifact: Path, inputs: Sequence[np.ndarray], settings: RunSettings) -> TargetRun:
        """See ``contracts.Target.run``."""
        shell, folder = self._shell, f"{self._shell.folder}/edgekit-{secrets.token_hex(6)}"
        facts = self._facts(settings.seconds)
        with tempfile.TemporaryDirectory(prefix="edgekit-portable-") as temporary:
            local = Path(temporary)
            write_portable(local / "portable", self._installation, artifact, inputs)
            try:
                shell.push(local / "portable", folder, settings.seconds)
                bare = self._result(bare_command(folder, self._installation, settings), folder, "bare", local / "bare",
                                    artifact, settings)
                plain = replace(settings, operators=False)  # a profile takes time and memory of its own
                found = self._result(command(folder, self._installation, artifact, plain), folder, "job",
                                     local / "job", artifact, settings)
                facts |= self._ask(_CLOCK, settings.seconds)[0]
                operators = found.operators
                if settings.operators:
                    once = replace(settings, repeats=1)
                    operators = self._result(command(folder, self._installation, artifact, once), folder, "job",
                                             local / "operators", artifact, settings).operators
            finally:
                self._tidy(folder)
        installation = self._installation
        if installation.runtime.note:
            facts["runtime_note"] = installation.runtime.note
        if found.emulated:
            facts["emulated"] = "this target is itself emulated: its clock and memory say nothing of a device"
        return TargetRun(
            outputs=found.outputs, runtime=f"{installation.runtime.project} {installation.runtime.version}, aarch64",
            memory=None if found.emulated else Memory(kind="measured",
                                                peak_bytes=max(found.peak_rss_bytes - bare.peak_rss_bytes, 0)),
            times_ms=() if found.emulated else tuple(ns / 1e6 for ns in found.times_ns),
            operators=() if found.emulated else tuple((name, ns / 1e6) for name, ns in operators), facts=facts)

    def _facts(self, seconds: float) -> dict[str, str]:
        facts, done = self._ask(_FACTS, seconds)
        if facts.get("machine") not in ("aarch64", "arm64"):
            raise DeviceError("target-machine", f"{self._shell.name} is no 64-bit Arm system",
                              cause=f"it says it is '{facts.get('machine', done.err.strip() or 'nothing')}'",
                              next="take a target with an aarch64 system; --on host measures this machine")
        return facts

    def _ask(self, text: str, seconds: float) -> tuple[dict[str, str], Done]:
        done = self._shell.run(text, seconds)
        facts = dict(line.split("=", 1) for line in done.out.splitlines() if "=" in line)
        return {key: value.strip() for key, value in facts.items() if value.strip()}, done

    def _result(self, text: str, folder: str, job: str, local: Path, artifact: Path,
                settings: RunSettings) -> JobResult:
        done = self._shell.run(text, settings.seconds + _GRACE_S)
        said = "; ".join(done.err.strip().splitlines()[-_LAST_WORDS:]) or "it said nothing"
        if done.status == 128 + signal.SIGALRM:
            raise DeviceError("target-timeout", f"{artifact.name} took more than {settings.seconds:g} s on "
                              f"{self._shell.name}", next="give it longer with --timeout")
        if done.status > 128:
            number = done.status - 128
            crash = signal.Signals(number).name if number in signal.valid_signals() else f"status {done.status}"
            raise ConversionError("runtime-crashed", f"the runtime crashed with {crash} on {self._shell.name}",
                                  where=str(artifact), cause=said,
                                  next=f"edgekit measure {artifact.name} --on emulated:DEVICE tells where")
        if done.status not in (0, 3):
            raise no_space(self._shell.name, said) or ConversionError(
                "runtime-failed", f"the runner ended with status {done.status} on {self._shell.name}",
                where=str(artifact), cause=said, next="check that the target may run programs in its folder "
                                                      f"{self._shell.folder}")
        local.mkdir()
        names = _RESULT if done.status == 0 else _RESULT[:1]
        if done.status == 0 and local.name == "operators" and self._installation.runtime.profile:
            names = (*names, self._installation.runtime.profile)
        for name in names:
            self._shell.pull(f"{folder}/{job}/{name}", local / name, settings.seconds)
        return read_job(local, artifact)

    def _tidy(self, folder: str) -> None:
        with suppress(DeviceError):  # the connection is gone: the error on its way says so
            self._shell.run(f"rm -rf {shlex.quote(folder)}", _GRACE_S)


def no_space(name: str, said: str) -> DeviceError | None:
    """The error for a target that said its disk is full; None for other words."""
    if "No space left on device" not in said:
        return None
    return DeviceError("target-no-space", f"{name} has no space for the runner and the model", cause=said,
                       next="free some space there, or set the folder that is used (EDGEKIT_TARGET_FOLDER)")

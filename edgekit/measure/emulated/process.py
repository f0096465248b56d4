"""The emulator's process: started in its job's folder, ended with its time, and its bad ends told as errors."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

from edgekit.errors import ConversionError, DeviceError

__all__ = ["OVER_LIMIT", "finish"]

OVER_LIMIT = 77  # guest/count.c
_LAST_WORDS = 3
# How the runners say what they are at (guest/runner.h).
_AT = re.compile(r"^edgekit-at: (.*)$", re.MULTILINE)


def finish(command: list[str], folder: Path, name: str, seconds: float, env: dict[str, str]) -> int:
    """The emulator's exit status, ended with its time. Raises for all but a runner that left a result, or the limit.

    Raises ConversionError ``runtime-crashed`` or ``runtime-failed``, DeviceError ``target-timeout``.
    """
    log = folder / "log"
    with log.open("wb") as stream:
        child = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
                                 env={"PATH": os.defpath, **env}, start_new_session=True)
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise DeviceError("target-timeout", f"{name} took more than {seconds:g} s on the emulated device",
                              cause="the emulator is 10 to 50 times slower than a device",
                              next="give it longer with --timeout") from None
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
    said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    if child.returncode == OVER_LIMIT or ((folder / "job/result.json").is_file() and child.returncode in (0, 3)):
        return child.returncode
    last = "; ".join([line for line in said if not _AT.match(line)][-_LAST_WORDS:]) or "it said nothing"
    if child.returncode < 0:
        crash = signal.Signals(-child.returncode).name
        at = _AT.findall("\n".join(said))[-1:] or ["its start"]
        raise ConversionError("runtime-crashed", f"the device's runtime crashed with {crash} on {name}",
                              cause=f"at: {at[0]}; its last words: {last}",
                              next="export the model again; if it crashes still, report it")
    raise ConversionError("runtime-failed", f"the device's runtime ended with status {child.returncode} on {name}",
                          cause=last, next="edgekit doctor --setup emulator, then report it")

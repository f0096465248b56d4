"""What became of a child process, as one error for people: code, signal or limit, the log's last words, a next step."""

from __future__ import annotations

import errno
import signal
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import ConversionError, EdgekitError, EnvironmentProblem

__all__ = ["CONVERTER", "RUNTIME", "Codes", "cancelled", "death", "failure", "log_tail", "shorten"]

_LOG_LINES = 6
_LINE_CHARS = 240
_CRASH_NOISE = ("Extension modules:", "Current thread", "Thread 0x")  # of faulthandler


@dataclass(frozen=True)
class Codes:
    """The error codes for what can happen to a child, by what the child does."""

    crashed: str
    failed: str
    timeout: str
    memory: str = "child-memory"


CONVERTER = Codes(crashed="child-crashed", failed="converter-failed", timeout="child-timeout")
RUNTIME = Codes(crashed="runtime-crashed", failed="runtime-failed", timeout="runtime-timeout")


def death(name: str, codes: Codes, log: Path, log_start: int, *, killed: str | None, status: int | None,
          seconds: float | None, memory_bytes: int | None, peak: int) -> EdgekitError:
    """Why a child ended without an answer. ``killed``: why edgekit ended it, if it did; ``status``: as Popen's."""
    said = log_tail(log, log_start)
    cause = f"its last words: {said}" if said else None
    if killed == "timeout":
        return ConversionError(codes.timeout, f"{name} took longer than {seconds:g} s and was stopped", where=str(log),
                               cause=cause, next="raise the time limit, or export fewer formats")
    if killed == "memory":
        return ConversionError(
            codes.memory, f"{name} went over its memory limit of {(memory_bytes or 0) / 1e6:.0f} MB and was stopped",
            where=str(log), cause=f"{peak / 1e6:.0f} MB were resident",
            next="raise the memory limit, or use fewer calibration samples")
    if killed:
        return cancelled(name)
    return ConversionError(codes.crashed, f"{name} crashed ({_ending(status)})", where=str(log), cause=cause,
                           next="read the log; if other formats convert, leave this one out of the recipe")


def cancelled(name: str) -> EdgekitError:
    """Edgekit itself ended the child, or never started it."""
    return ConversionError("child-cancelled", f"{name} was cancelled", next="run the command again")


def failure(name: str, codes: Codes, log: Path, kind: str, text: str, number: int | None) -> EdgekitError:
    """An exception that is no EdgekitError, shortened. ``number`` is an OSError's errno."""
    if number == errno.ENOSPC or "No space left on device" in text:
        return EnvironmentProblem("disk-full", f"the disk is full ({name})", where=str(log), cause=text,
                                  next="free some space and run the command again")
    code = codes.memory if kind == "MemoryError" else codes.failed
    return ConversionError(code, f"{name} failed: {kind}: {shorten(text)}", where=str(log),
                           cause="the traceback is in the log",
                           next=f"read the log; `edgekit explain {code}` says what usually helps")


def shorten(text: str, lines: int = 3) -> str:
    """The first lines of an exception's text, each cut to a readable length."""
    kept = [line.strip()[:_LINE_CHARS] for line in text.splitlines() if line.strip()]
    return " / ".join(kept[:lines]) + (" ..." if len(kept) > lines else "") if kept else "(no message)"


def log_tail(log: Path, start: int) -> str:
    """The last lines that a log has from byte ``start`` on, or, after a native crash, where Python was."""
    try:
        with log.open("rb") as file:
            file.seek(max(start, log.stat().st_size - 20_000))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    lines = [s[:_LINE_CHARS] for line in text.splitlines() if (s := line.strip()) and not s.startswith(_CRASH_NOISE)]
    fatal = next((i for i, line in enumerate(lines) if line.startswith("Fatal Python error")), None)
    return " / ".join(lines[-_LOG_LINES:] if fatal is None else lines[max(0, fatal - 2):fatal + _LOG_LINES - 2])


def _ending(status: int | None) -> str:
    if status is None:
        return "it closed its pipe"
    if status >= 0:
        return f"exit status {status}"
    name = signal.Signals(-status).name
    return name + (", most likely by the kernel because memory ran out" if name == "SIGKILL" else "")

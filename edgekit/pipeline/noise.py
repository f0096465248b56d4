"""What libraries print, native code and child processes included, goes to a log file and not to the terminal."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from edgekit.disk import cache_folder, disk_errors

__all__ = ["new_log", "noise_to"]

_LOGS_KEPT = 30


def new_log() -> Path:
    """A new, empty log file in the user's cache folder, where it stays readable after a failed run too.

    Only the newest 30 are kept.
    """
    folder = cache_folder() / "logs"
    log = folder / f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{os.getpid()}.txt"
    with disk_errors("the log", folder):
        folder.mkdir(parents=True, exist_ok=True)
        for old in sorted(folder.glob("*.txt"))[:-_LOGS_KEPT + 1]:
            old.unlink(missing_ok=True)
        log.touch()
    return log


@contextmanager
def noise_to(log: Path) -> Iterator[TextIO]:
    """Sends this process's file descriptors 1 and 2 to the end of ``log``; yields a stream on the real standard error.

    It holds for the whole process: for the command line and its like, not for a library call in someone's program.
    """
    _flush()
    kept = [os.dup(1), os.dup(2)]
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    terminal = os.fdopen(os.dup(2), "w", encoding=getattr(sys.stderr, "encoding", None) or "utf-8", errors="replace",
                         buffering=1)
    try:
        os.dup2(file, 1)
        os.dup2(file, 2)
        yield terminal
    finally:
        _flush()
        for descriptor, original in enumerate(kept, start=1):
            os.dup2(original, descriptor)
            os.close(original)
        os.close(file)
        terminal.close()


def _flush() -> None:
    """Python's and the C library's buffers: each line must end up where it was meant to go when it was written."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()
    ctypes.CDLL(None).fflush(None)

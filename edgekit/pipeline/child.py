"""A child process that answers calls, under a time and a memory limit, and dies with its parent.

Native converters and runtimes can crash, hang or eat all memory; here they take only their own process with them.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import psutil

from edgekit.errors import ConversionError, EdgekitError, EnvironmentProblem
from edgekit.pipeline import worker
from edgekit.pipeline.child_errors import CONVERTER, Codes, cancelled, death, failure
from edgekit.workload.search_path import without_precedence

__all__ = ["Child", "end_children"]

_POLL_S = 0.03          # between two looks at the child's memory
_TREE_EVERY = 15        # looks between two searches for grandchildren, which read all of /proc
_live: weakref.WeakSet[Child] = weakref.WeakSet()
_ended: set[Path] = set()
_registry = threading.Lock()


def end_children(log: Path) -> None:
    """Ends all children that write to ``log``, those of one run, and lets none start any more.

    For an interrupt: the threads that wait for children do not see it, and get ``child-cancelled`` instead.
    """
    with _registry:
        _ended.add(log)
        children = [child for child in _live if child.log == log]
    for child in children:
        child.kill()


class Child:
    """A fresh Python (no fork, the caller's ``__main__`` not imported) that runs functions named ``module:function``.

    Args:
        name: what it is for, in messages.
        log: file to which its standard output and error are appended, native noise included.
        memory_bytes: limit on the resident memory of it and its own children together; None for no limit.
        env: set in its environment, on top of this process's (``OMP_NUM_THREADS`` ...).
        codes: error codes that fit what it does.

    Thread-safe; calls are answered one at a time. Arguments and results travel as pickles between our own processes.
    """

    def __init__(self, name: str, log: Path, *, memory_bytes: int | None = None, env: Mapping[str, str] | None = None,
                 codes: Codes = CONVERTER) -> None:
        self.name, self.log, self.codes, self.memory_bytes = name, log, codes, memory_bytes
        self.peak_rss_bytes = 0
        self.pid: int | None = None
        self._env = {**os.environ, **(env or {})}
        self._deadline: float | None = None
        self._limit_s: float | None = None
        self._killed: str | None = None  # "timeout", "memory" or "cancelled"
        self._start_error: OSError | None = None
        self._status: int | None = None
        self._lock, self._started, self._stop = threading.Lock(), threading.Event(), threading.Event()
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
        self._log_start = log.stat().st_size
        self._pipe, self._far_end = Pipe()
        with _registry:
            if log in _ended:
                raise cancelled(name)
            _live.add(self)
        # The kernel's parent-death signal follows the *thread* that started a child. The watching thread lives as
        # long as the child does, whatever thread asked for it.
        self._watcher = threading.Thread(target=self._watch, name=f"watch {name}", daemon=True)
        self._watcher.start()
        self._started.wait()
        if self._killed:  # between the registry and the start
            self.kill()
        if self._start_error is not None:
            raise EnvironmentProblem("child-not-started", f"could not start a child process for {name}",
                                     cause=str(self._start_error), next="close other programs and try again")
        with contextlib.suppress(ConversionError):  # it died at once: the first call says so
            self._send(without_precedence())

    def call(self, target: str, kwargs: Mapping[str, Any], *, seconds: float | None = None,
             on_progress: Callable[[Any], None] | None = None) -> Any:
        """Runs ``target(**kwargs)`` there and returns its value.

        With ``on_progress`` the function also gets ``progress``, a callable whose events come back as they happen.
        Raises the EdgekitError that the function raised; ConversionError for any other exception, a crash or a limit
        (by ``codes``). ``seconds`` limits this call.
        """
        with self._lock:
            self._limit_s = seconds
            self._deadline = None if seconds is None else time.monotonic() + seconds
            try:
                self._send((target, dict(kwargs), on_progress is not None))
                kind, *rest = self._receive()
                while kind == "progress":
                    if on_progress is not None:
                        on_progress(rest[0])
                    kind, *rest = self._receive()
            except EdgekitError:
                raise
            except BaseException:  # interrupted: the child must not go on behind our back
                self.kill()
                raise
            finally:
                self._deadline = None
        self.peak_rss_bytes = max(self.peak_rss_bytes, rest[-1])
        if kind == "value":
            return rest[0]
        raise rest[0] if kind == "error" else failure(self.name, self.codes, self.log, *rest[:3])

    def kill(self, why: str = "cancelled") -> None:
        """Ends the child and what it started, at once."""
        self._killed = self._killed or why
        if self.pid is not None and self._status is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Lets the child end (it has nothing left to do), and waits until it has."""
        self._pipe.close()
        self._watcher.join(timeout=5)
        if self._watcher.is_alive():
            self.kill()
            self._watcher.join()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, message: Any) -> None:
        data = pickle.dumps(message, protocol=5)
        try:
            self._pipe.send_bytes(data)
        except OSError:
            raise self._death() from None

    def _receive(self) -> Any:
        try:
            return pickle.loads(self._pipe.recv_bytes())
        except (EOFError, OSError):
            raise self._death() from None

    def _watch(self) -> None:
        """Starts the process, then holds it to its limits until it ends."""
        scratch = tempfile.mkdtemp(prefix="edgekit-child-")  # killed children cannot tidy up after themselves
        try:
            with self.log.open("ab") as log:
                process = subprocess.Popen(
                    [sys.executable, "-P", worker.__file__, str(self._far_end.fileno()), str(os.getpid())],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[self._far_end.fileno()],
                    env={**self._env, "TMPDIR": scratch}, start_new_session=True)
            self.pid = process.pid
        except OSError as error:
            self._start_error = error
            shutil.rmtree(scratch, ignore_errors=True)
            return
        finally:
            self._far_end.close()
            self._started.set()
        family: list[psutil.Process] = []
        looks = 0
        while process.poll() is None:
            if looks % _TREE_EVERY == 0:
                family = _family(process.pid)
            looks += 1
            rss = sum(map(_rss, family))
            self.peak_rss_bytes = max(self.peak_rss_bytes, rss)
            if self.memory_bytes is not None and rss > self.memory_bytes:
                self.kill("memory")
            elif self._deadline is not None and time.monotonic() > self._deadline:
                self.kill("timeout")
            self._stop.wait(_POLL_S)
        self._status = process.returncode
        with contextlib.suppress(ProcessLookupError, PermissionError):  # none left, or none of ours
            os.killpg(process.pid, signal.SIGKILL)  # grandchildren that outlived it
        shutil.rmtree(scratch, ignore_errors=True)

    def _death(self) -> EdgekitError:
        self._watcher.join(timeout=10)
        return death(self.name, self.codes, self.log, self._log_start, killed=self._killed, status=self._status,
                     seconds=self._limit_s, memory_bytes=self.memory_bytes, peak=self.peak_rss_bytes)


def _family(pid: int) -> list[psutil.Process]:
    """The process and all that it started; of one that has just ended, nobody."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def _rss(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0  # it has just ended

"""Native steps in child processes: a crash, a hang or a memory hog of a converter leaves everything else standing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from edgekit.pipeline.child import Child

__all__ = ["Handle", "Limits", "Outcome", "result_of", "run_isolated", "start_isolated"]

_LOOK_S = 0.5
T = TypeVar("T")


def result_of(future: Future[T]) -> T:
    """``future.result()`` that Ctrl-C always gets through to.

    A signal that arrives just before the main thread goes to sleep on a lock is not seen until it wakes: so it wakes.
    """
    while True:
        done, _ = wait([future], timeout=_LOOK_S)
        if done:
            return future.result()


@dataclass(frozen=True)
class Limits:
    """What one child may use: wall-clock seconds, and resident bytes of it and its own children together."""

    seconds: float | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What a child returned, how long it took (start of the interpreter included) and its peak resident memory."""

    value: Any
    seconds: float
    peak_rss_bytes: int


class Handle:
    """A running child. ``future`` resolves to its Outcome or EdgekitError (for ``concurrent.futures.wait``)."""

    def __init__(self, child: Child) -> None:
        self.future: Future[Outcome] = Future()
        self._child = child

    @property
    def peak_rss_bytes(self) -> int:
        """Peak so far, there for a failed child too."""
        return self._child.peak_rss_bytes

    @property
    def pid(self) -> int | None:
        return self._child.pid

    def done(self) -> bool:
        return self.future.done()

    def result(self) -> Outcome:
        """Waits for the child; an interrupt while waiting ends it first. Raises what :func:`run_isolated` does."""
        try:
            return result_of(self.future)
        except BaseException:
            self.cancel()
            raise

    def cancel(self) -> None:
        """Ends the child; ``result`` then raises ``child-cancelled``. Nothing happens to one that is done."""
        if not self.done():
            self._child.kill()


def start_isolated(target: str, kwargs: Mapping[str, Any], *, name: str, limits: Limits, log: Path,
                   on_progress: Callable[[Any], None] | None = None, env: Mapping[str, str] | None = None,
                   child: Child | None = None) -> Handle:
    """Starts ``target`` (``package.module:function``) in a fresh child process and returns at once.

    Args:
        target: a plain function; kwargs and result are pickled between our own processes.
        name: what it does, in messages ("TFLite export").
        log: the child's standard output and error are appended here, native noise and tracebacks included.
        on_progress: called from another thread with the events that the function passes to its ``progress`` argument.
        env: set in the child's environment (``OMP_NUM_THREADS`` ...).
        child: a process that was started before, in place of a fresh one; it is closed at the end.
    """
    own = child or Child(name, log, memory_bytes=limits.memory_bytes, env=env)
    handle = Handle(own)
    began = time.monotonic()

    def work() -> None:
        try:
            with own:
                value = own.call(target, kwargs, seconds=limits.seconds, on_progress=on_progress)
            handle.future.set_result(Outcome(value, time.monotonic() - began, own.peak_rss_bytes))
        except BaseException as error:  # noqa: BLE001 - handed to whoever asks for the result
            handle.future.set_exception(error)

    threading.Thread(target=work, name=f"wait {name}", daemon=True).start()
    return handle


def run_isolated(target: str, kwargs: Mapping[str, Any], *, name: str, limits: Limits, log: Path,
                 on_progress: Callable[[Any], None] | None = None, env: Mapping[str, str] | None = None,
                 child: Child | None = None) -> Outcome:
    """Runs ``target`` in a child process and waits for it; see :func:`start_isolated`.

    Raises:
        EdgekitError: the one that the function raised.
        ConversionError: ``child-timeout``, ``child-memory``, ``child-crashed`` (with the signal's name and the last
            lines of the log) or ``converter-failed`` (any other exception; its traceback is in the log).
        EnvironmentProblem: ``disk-full``, ``child-not-started``.
    """
    return start_isolated(target, kwargs, name=name, limits=limits, log=log, on_progress=on_progress, env=env,
                          child=child).result()

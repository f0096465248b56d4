"""Who is told what a run is doing: a live display on a terminal, plain lines elsewhere, or nobody."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

from edgekit.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = ["KINDS", "Progress", "make_progress"]

KINDS = ("terminal", "none")


class Progress(Protocol):
    """Takes the events of a run, from any thread. ``seconds`` is wall-clock time."""

    def started(self, stage: str) -> None: ...

    def ended(self, stage: str, seconds: float, *, cached: bool = False, failed: bool = False) -> None: ...

    def message(self, text: str) -> None: ...


@contextmanager
def make_progress(kind: str, stream: TextIO | None = None) -> Iterator[Progress]:
    """A progress display on ``stream`` (standard error), for the length of the ``with`` block.

    ``kind`` is ``terminal`` (live on a terminal, plain lines elsewhere) or ``none``.
    """
    if kind not in KINDS:
        raise UsageError("usage", f"unknown kind of progress {kind!r}", next=f"use one of: {', '.join(KINDS)}")
    if kind == "none":
        yield _Silent()
        return
    from rich.console import Console
    console = Console(file=stream or sys.stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        yield _Plain(console)
        return
    live = _Live(console)
    with live.display:
        yield live


class _Silent:
    def started(self, stage: str) -> None:
        """Nobody asked."""

    def ended(self, stage: str, seconds: float, *, cached: bool = False, failed: bool = False) -> None:
        """Nobody asked."""

    def message(self, text: str) -> None:
        """Nobody asked."""


class _Plain:
    """One line when a stage starts, so that a log shows what hangs, and one when it ends."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def started(self, stage: str) -> None:
        self._say(f"{stage} ...")

    def ended(self, stage: str, seconds: float, *, cached: bool = False, failed: bool = False) -> None:
        self._say(f"{stage} {_outcome(seconds, cached, failed)}")

    def message(self, text: str) -> None:
        self._say(text)

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)
        self._console.file.flush()


class _Live:
    """Ended stages scroll up; those that run stay below with a spinner and their seconds."""

    def __init__(self, console: Console) -> None:
        from rich.live import Live
        from rich.spinner import Spinner
        self._console, self._lock = console, threading.Lock()
        self._running: dict[str, float] = {}
        self._spinner = Spinner("dots")
        # What libraries print is not ours to show: it goes to the log.
        self.display = Live(console=console, get_renderable=self._rows, refresh_per_second=8, transient=True,
                            redirect_stdout=False, redirect_stderr=False)

    def started(self, stage: str) -> None:
        with self._lock:
            self._running[stage] = time.monotonic()

    def ended(self, stage: str, seconds: float, *, cached: bool = False, failed: bool = False) -> None:
        with self._lock:
            self._running.pop(stage, None)
        mark, style = ("✗", "red") if failed else ("✓", "dim" if cached else "green")
        self._console.print(f"{mark} {stage} {_outcome(seconds, cached, failed)}", style=style, markup=False)

    def message(self, text: str) -> None:
        self._console.print(text, style="yellow", markup=False)

    def _rows(self) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        now = time.monotonic()
        with self._lock:
            running = list(self._running.items())
        rows = Table.grid(padding=(0, 1))
        for stage, began in running:
            rows.add_row(self._spinner, stage, f"{now - began:.0f} s")
        return Group(rows)


def _outcome(seconds: float, cached: bool, failed: bool) -> str:
    return f"{'failed, ' if failed else ''}{'cached, ' if cached else ''}{seconds:.1f} s"

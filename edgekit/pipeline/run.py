"""One run of the line: its work folder, log, cache, records of stages, and who is told about them."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import edgekit
from edgekit.memory import peak_rss_bytes
from edgekit.pipeline.cache import StageCache
from edgekit.pipeline.cache_key import CacheKey, source_hash
from edgekit.pipeline.child import end_children
from edgekit.pipeline.converters import Converters
from edgekit.pipeline.noise import new_log, noise_to
from edgekit.pipeline.progress import Progress, make_progress
from edgekit.types.report import StageRecord

__all__ = ["Run", "Stage"]


class Stage:
    """A running stage: takes results from the cache, and notes the peak memory of the child that did the work."""

    def __init__(self, cache: StageCache, work: Path) -> None:
        self._cache, self._work = cache, work
        self.was_cached = False
        self.peak_bytes = 0

    def cached(self, key: CacheKey | None, make: Callable[[Path], None]) -> Path:
        """The folder that ``make`` fills for ``key``, now or earlier. Its files are the cache's: copy, never change.

        Without a key, what decides the result cannot be told: it is made in the run's own folder.
        """
        if key is None:
            folder = Path(tempfile.mkdtemp(dir=self._work))
            make(folder)
            return folder
        entry = self._cache.fetch(key, make)
        self.was_cached = entry.hit
        return entry.folder

    def peak(self, peak_bytes: int) -> None:
        """Notes the peak resident memory, in bytes, of a child process."""
        self.peak_bytes = max(self.peak_bytes, peak_bytes)


class Run:
    """Use through :meth:`start`; threads may run stages side by side. ``user_code`` guards calls of the user's code."""

    def __init__(self, work: Path, log: Path, cache: StageCache, progress: Progress, jobs: int) -> None:
        self.work, self.log, self.jobs = work, log, jobs
        self.records: list[StageRecord] = []
        self.user_code = threading.Lock()
        # Converters that share two cores get in each other's way with a thread pool each.
        self.converters = Converters(log, {"OMP_NUM_THREADS": "1"} if jobs > 1 else {})
        self._cache, self._progress = cache, progress

    @classmethod
    @contextlib.contextmanager
    def start(cls, *, jobs: int = 2, progress: str = "none", own_terminal: bool = False) -> Iterator[Run]:
        """A run with its own work folder, removed at the end.

        Args:
            progress: ``terminal`` or ``none``.
            own_terminal: send whatever libraries print in this process to the log. Only for a process that is
                edgekit's own (the command line), because it redirects the whole process.
        """
        log = new_log()
        with contextlib.ExitStack() as stack:
            work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edgekit-")))
            stream = stack.enter_context(noise_to(log)) if own_terminal else None
            display = stack.enter_context(make_progress(progress, stream))
            cache = stack.enter_context(StageCache(say=display.message))
            stack.callback(end_children, log)  # interrupted: threads that wait for children are not told otherwise
            run = cls(work, log, cache, display, jobs)
            stack.callback(run.converters.close)
            yield run

    def cache_key(self, stage: str, inputs: Mapping[str, str], settings: Any,
                  tools: Mapping[str, str] | None = None) -> CacheKey:
        """The key of a stage's result; edgekit's own sources are part of every key."""
        return CacheKey(stage, source_hash(), inputs, settings, self.tools() | dict(tools or {}))

    def tools(self) -> dict[str, str]:
        """Versions that every stage depends on."""
        import torch
        return {"edgekit": edgekit.__version__, "torch": torch.__version__}

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[Stage]:
        """Times and records what runs inside; told to the progress display."""
        stage, began = Stage(self._cache, self.work), time.monotonic()
        self._progress.started(name)
        try:
            yield stage
        except BaseException:
            self._progress.ended(name, time.monotonic() - began, failed=True)
            raise
        seconds = time.monotonic() - began
        self.records.append(StageRecord(name=name, seconds=round(seconds, 3), cached=stage.was_cached,
                                        peak_rss_bytes=stage.peak_bytes or peak_rss_bytes()))
        self._progress.ended(name, seconds, cached=stage.was_cached)

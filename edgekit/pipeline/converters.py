"""The converters' processes, started while the model is still being captured: their imports take seconds."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgekit.errors import EdgekitError
from edgekit.pipeline.child import Child
from edgekit.pipeline.isolation import Limits

__all__ = ["Converters"]

_WARM_UP = "edgekit.pipeline.tasks:warm_up"


class Converters:
    """Makes one process a conversion; those started ahead are handed out first. ``close`` ends what nobody took."""

    def __init__(self, log: Path, env: Mapping[str, str]) -> None:
        self._log, self._env = log, env
        self._waiting: dict[str, Child] = {}

    def start_ahead(self, formats: Sequence[str], limits: Limits) -> None:
        """Starts a process for each format and has it import what the conversion needs."""
        for name in formats:
            child = self._waiting[name] = self._start(name, limits)
            threading.Thread(target=_warm_up, args=(child, name), name=f"warm {name}", daemon=True).start()

    def take(self, name: str, limits: Limits) -> Child:
        """A process to convert in, the caller's to close."""
        return self._waiting.pop(name, None) or self._start(name, limits)

    def close(self) -> None:
        for child in self._waiting.values():
            child.kill()

    def _start(self, name: str, limits: Limits) -> Child:
        return Child(f"{name} export", self._log, memory_bytes=limits.memory_bytes, env=self._env)


def _warm_up(child: Child, name: str) -> None:
    with contextlib.suppress(EdgekitError):  # what is wrong is said by the conversion, or the child was not needed
        child.call(_WARM_UP, {"format_name": name})

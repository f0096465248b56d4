"""A Session whose runtime lives in a child process: a native crash ends the child and is reported as an error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.pipeline.child import Child
from edgekit.pipeline.child_errors import RUNTIME
from edgekit.types.tensor import TensorSpec

if TYPE_CHECKING:
    from edgekit.contracts import LayerValue

__all__ = ["RemoteSession"]

_HERE = "edgekit.pipeline.remote_session"
_session: Any = None  # in the child: the one session that it holds


class RemoteSession:
    """Implements :class:`edgekit.contracts.Session` for an artifact that ``format_name`` loads in a child process.

    Args:
        threads: set as ``OMP_NUM_THREADS``; a runtime with a setting of its own decides for itself.
        seconds: limit for loading, and for each call.
        memory_bytes: limit on the child's resident memory.

    Raises the format's own error when the artifact does not load, ConversionError ``runtime-crashed`` (signal and last
    lines of the log), ``runtime-timeout``, ``runtime-failed``. Use as a context manager, or call :meth:`close`.
    """

    def __init__(self, format_name: str, artifact_path: Path, *, log: Path, threads: int = 1, seconds: float = 600,
                 memory_bytes: int | None = None) -> None:
        self._seconds = seconds
        self._child = Child(f"the {format_name} runtime", log, memory_bytes=memory_bytes, codes=RUNTIME,
                            env={"OMP_NUM_THREADS": str(threads)})
        self.inputs: tuple[TensorSpec, ...]
        self.outputs: tuple[TensorSpec, ...]
        try:
            self.inputs, self.outputs = self._call("_load", format_name=format_name, path=Path(artifact_path))
        except BaseException:
            self._child.close()
            raise

    @property
    def peak_rss_bytes(self) -> int:
        """Peak resident memory of the child so far: interpreter, runtime and artifact."""
        return self._child.peak_rss_bytes

    @property
    def pid(self) -> int | None:
        return self._child.pid

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        outputs: list[np.ndarray] = self._call("_run", inputs=list(inputs))
        return outputs

    def layers(self, inputs: Sequence[np.ndarray]) -> list[LayerValue]:
        values: list[LayerValue] = self._call("_layers", inputs=list(inputs))
        return values

    def close(self) -> None:
        self._child.close()

    def __enter__(self) -> RemoteSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, function: str, **kwargs: Any) -> Any:
        return self._child.call(f"{_HERE}:{function}", kwargs, seconds=self._seconds)


def _load(format_name: str, path: Path) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    global _session
    from edgekit.formats.registry import get_format
    _session = get_format(format_name).load(path)
    return _session.inputs, _session.outputs


def _run(inputs: list[np.ndarray]) -> list[np.ndarray]:
    return [np.asarray(output) for output in _session.run(inputs)]


def _layers(inputs: list[np.ndarray]) -> list[LayerValue]:
    return list(_session.layers(inputs))

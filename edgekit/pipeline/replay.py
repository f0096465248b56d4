"""What an artifact answered, kept with the artifact: a later run asks the runtime only for inputs that are new.

The runtime gives the same outputs for the same file, inputs and version, so its answers are cached and not the
verdict: fidelity, the workload's metric and the golden vectors are computed from them anew in every run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.contracts import LayerValue, Session
from edgekit.pipeline.remote_session import RemoteSession
from edgekit.types.tensor import TensorSpec

__all__ = ["Recorder", "Replay"]

# A long evaluation of large outputs is run again rather than kept.
_MOST_BYTES = 64 * 2**20
_SPECS, _ANSWERS = "specs.json", "answers.npz"


def _key(inputs: Sequence[np.ndarray]) -> str:
    digest = hashlib.sha256()
    for array in inputs:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


class Recorder:
    """Implements :class:`edgekit.contracts.Session`: passes calls on and remembers the answers."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.inputs, self.outputs = session.inputs, session.outputs
        self._answers: dict[str, list[np.ndarray]] = {}
        self._bytes = 0

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        outputs = self._session.run(inputs)
        if self._bytes < _MOST_BYTES:
            self._answers[_key(inputs)] = outputs
            self._bytes += sum(o.nbytes for o in outputs)
        return outputs

    def layers(self, inputs: Sequence[np.ndarray]) -> list[LayerValue]:
        return self._session.layers(inputs)

    def save(self, folder: Path) -> None:
        specs = {"inputs": [s.model_dump(mode="json") for s in self.inputs],
                 "outputs": [s.model_dump(mode="json") for s in self.outputs]}
        (folder / _SPECS).write_text(json.dumps(specs), encoding="utf-8")
        arrays: dict[str, Any] = {f"{key}-{i}": array for key, outputs in self._answers.items()
                                  for i, array in enumerate(outputs)}
        np.savez(folder / _ANSWERS, **arrays)


class Replay:
    """Implements :class:`edgekit.contracts.Session` from what a Recorder saved; ``start`` opens the runtime if needed.

    Use as a context manager: it closes the session that it opened.
    """

    def __init__(self, folder: Path, start: Callable[[], RemoteSession]) -> None:
        specs = json.loads((folder / _SPECS).read_text(encoding="utf-8"))
        self.inputs, self.outputs = (tuple(TensorSpec.model_validate(s) for s in specs[side])
                                     for side in ("inputs", "outputs"))
        self._answers = np.load(folder / _ANSWERS, allow_pickle=False)
        self._start = start
        self._session: RemoteSession | None = None

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        key = _key(inputs)
        if f"{key}-0" in self._answers:
            return [self._answers[f"{key}-{i}"] for i in range(len(self.outputs))]
        return self._live().run(inputs)

    def layers(self, inputs: Sequence[np.ndarray]) -> list[LayerValue]:
        return self._live().layers(inputs)

    def _live(self) -> RemoteSession:
        if self._session is None:
            self._session = self._start()
        return self._session

    def __enter__(self) -> Replay:
        return self

    def __exit__(self, *_: object) -> None:
        self._answers.close()
        if self._session is not None:
            self._session.close()

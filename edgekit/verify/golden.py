"""Golden vectors: raw little-endian tensors beside one JSON, so that any language can check an artifact."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.contracts import Session
from edgekit.types.artifact import Artifact
from edgekit.types.golden import InputFile, OutputFile, VectorFiles
from edgekit.types.tensor import TensorSpec
from edgekit.verify.fidelity import Reference
from edgekit.verify.predictor import to_artifact

__all__ = ["Vector", "record_golden", "tolerance", "write_golden"]

VECTORS = 4
# Room for another core's rounding: steps of the output's own grid where it is quantised, else relative to its peak.
STEPS, RELATIVE = 2, 1e-3


def _write(folder: Path, name: str, value: np.ndarray, spec: TensorSpec) -> InputFile:
    data = np.ascontiguousarray(value)
    (folder / name).write_bytes(data.astype(data.dtype.newbyteorder("<"), copy=False).tobytes())
    return InputFile(file=name, name=spec.name, shape=data.shape, dtype=str(data.dtype), layout=spec.layout,
                     quant=spec.quant)


def tolerance(value: np.ndarray, spec: TensorSpec, quantized: bool) -> float:
    """How far another machine's output may be from ``value``, absolute, in its own units."""
    if np.issubdtype(value.dtype, np.integer):
        return float(STEPS) if spec.quant else 0.0
    # An int8 network's float output moves in steps of its last grid: about 1/256 of its range.
    return float(np.abs(value).max(initial=0.0)) * (STEPS / 128 if quantized else RELATIVE)


@dataclass(frozen=True)
class Vector:
    """One input and what the artifact answered to it, in the artifact's own dtypes and layout."""

    inputs: tuple[np.ndarray, ...]
    outputs: tuple[np.ndarray, ...]


def record_golden(session: Session, reference: Reference) -> tuple[Vector, ...]:
    """Runs the first reference inputs through the artifact."""
    vectors = []
    for one in reference.inputs[:VECTORS]:
        arrays = [to_artifact(np.asarray(v), s) for v, s in zip(one, session.inputs, strict=True)]
        vectors.append(Vector(tuple(arrays), tuple(session.run(arrays))))
    return tuple(vectors)


def write_golden(folder: Path, artifact: Artifact, vectors: Sequence[Vector], sqnr_db: float | None) -> None:
    """Adds one artifact's vectors to ``golden.json`` and the folder.

    Tolerances are absolute: how far another device's answer may be from the recorded one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    index = folder / "golden.json"
    document: dict[str, Any] = json.loads(index.read_text(encoding="utf-8")) if index.exists() else {
        "schema": "edgekit/golden/1", "byte_order": "little", "formats": {}}
    entries, name = [], artifact.format
    for i, vector in enumerate(vectors):
        ins = _tensors(folder, f"{name}_{i}_in", vector.inputs, artifact.inputs)
        outs = _tensors(folder, f"{name}_{i}_out", vector.outputs, artifact.outputs)
        held = tuple(OutputFile(**dict(file), tolerance=tolerance(value, spec, artifact.scheme != "fp32"))
                     for file, value, spec in zip(outs, vector.outputs, artifact.outputs, strict=True))
        entries.append(VectorFiles(inputs=ins, outputs=held).model_dump(mode="json"))
    document["formats"][name] = {"file": Path(artifact.path).name, "sqnr_db": sqnr_db, "vectors": entries}
    index.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _tensors(folder: Path, stem: str, values: Sequence[np.ndarray],
             specs: Sequence[TensorSpec]) -> tuple[InputFile, ...]:
    return tuple(_write(folder, f"{stem}{k}.bin", v, s) for k, (v, s) in enumerate(zip(values, specs, strict=True)))

"""The folder through which a guest runner gets its inputs and gives its outputs (``emulated/guest/runner.h``)."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import ConversionError

__all__ = ["JobResult", "read_job", "write_job"]


@dataclass(frozen=True)
class JobResult:
    """What a runner measured. Times are nanoseconds; ``operators`` holds names and times of one more run."""

    runtime: str
    outputs: tuple[np.ndarray, ...]
    load_ns: int
    times_ns: tuple[int, ...]
    peak_rss_bytes: int
    operators: tuple[tuple[str, int], ...]


def write_job(folder: Path, inputs: Sequence[np.ndarray]) -> None:
    """Writes the inputs, in the artifact's own dtypes and layout, in the order of its inputs."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "inputs.txt").write_text(
        "".join(f"{' '.join([str(a.dtype), *map(str, a.shape)])}\n" for a in inputs), encoding="ascii")
    with (folder / "inputs.bin").open("wb") as stream:
        for array in inputs:
            stream.write(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())


def read_job(folder: Path, artifact: Path) -> JobResult:
    """The runner's result. Raises ConversionError with the runtime's words where it refused or failed."""
    document: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8", errors="replace"))
    if "error" in document:
        loading = document["step"] != "run"
        raise ConversionError(
            "artifact-does-not-load" if loading else "artifact-does-not-run",
            f"the device's runtime {'does not load' if loading else 'could not run'} {artifact.name}",
            where=str(artifact), cause=f"{document['step']}: {document['error']}",
            next="check that the file is whole and was exported for this runtime's version")
    values, at, outputs = (folder / "outputs.bin").read_bytes(), 0, []
    for output in document["outputs"]:
        dtype = np.dtype(output["dtype"]).newbyteorder("<")
        count = math.prod(output["shape"])
        outputs.append(np.frombuffer(values, dtype, count, at).reshape(output["shape"]).astype(dtype.newbyteorder("=")))
        at += count * dtype.itemsize
    return JobResult(document["runtime"], tuple(outputs), document["load_ns"], tuple(document["times_ns"]),
                     document["peak_rss_kb"] * 1024, tuple((o["name"], o["ns"]) for o in document["operators"]))

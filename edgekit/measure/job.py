"""The folder through which a guest runner gets its inputs and gives its outputs (``emulated/guest/runner.h``)."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import ConversionError, DeviceError

__all__ = ["JobResult", "put_artifact", "read_job", "write_job"]

_AFTER_LOADING = ("run", "outputs", "profiling")


@dataclass(frozen=True)
class JobResult:
    """What a runner measured. Times are nanoseconds; ``operators`` holds names and times of one more run.

    ``emulated``: the runner found its own processor to be an emulator's, so its times are none of a device.
    """

    runtime: str
    outputs: tuple[np.ndarray, ...]
    load_ns: int
    times_ns: tuple[int, ...]
    peak_rss_bytes: int
    emulated: bool
    operators: tuple[tuple[str, int], ...]


def write_job(folder: Path, inputs: Sequence[np.ndarray]) -> None:
    """Writes the inputs, in the artifact's own dtypes and layout, in the order of its inputs."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "inputs.txt").write_text(
        "".join(f"{' '.join([str(a.dtype), *map(str, a.shape)])}\n" for a in inputs), encoding="ascii")
    with (folder / "inputs.bin").open("wb") as stream:
        for array in inputs:
            stream.write(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())


def put_artifact(folder: Path, artifact: Path) -> str:
    """Puts the artifact and the files that belong to it into ``folder``; the name that it has there.

    Links where they can be: a runtime may refuse a path that leads out of the model's folder.
    """
    name = f"model{artifact.suffix}"
    files = {name: artifact}
    if artifact.suffix == ".onnx":
        from edgekit.formats.onnx.files import external_files  # onnx may not be installed
        files |= {beside: artifact.parent / beside for beside in external_files(artifact)}
    for kept, file in files.items():
        try:
            os.link(file.resolve(), folder / kept)
        except OSError:
            shutil.copyfile(file, folder / kept)
    return name


def read_job(folder: Path, artifact: Path) -> JobResult:
    """The runner's result. Raises ConversionError with the runtime's words where it refused or failed.

    Raises DeviceError where the files are not what a runner writes: a full disk, a shell that prints into them.
    """
    try:
        return _read(folder, artifact)
    except (ValueError, KeyError, TypeError) as error:
        raise DeviceError("target-failed", "the result of the run cannot be read", where=str(artifact),
                          cause=repr(error), next="check the target's disk, and that its shell prints nothing by "
                          "itself at the start") from error


def _read(folder: Path, artifact: Path) -> JobResult:
    document: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8", errors="replace"))
    if "error" in document:
        loading = document["step"] not in _AFTER_LOADING
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
    operators = [(o["name"], int(o["ns"])) for o in document["operators"]] or _profiled(folder / "profile.json")
    return JobResult(document["runtime"], tuple(outputs), document["load_ns"], tuple(document["times_ns"]),
                     document["peak_rss_kb"] * 1024, document["emulated"],
                     tuple(operators))


def _profiled(profile: Path) -> list[tuple[str, int]]:
    """Operators of the last run in ONNX Runtime's trace, which has microseconds; none where there is no trace."""
    if not profile.is_file():
        return []
    events = json.loads(profile.read_text(encoding="utf-8"))
    kernels = [e for e in events if e.get("cat") == "Node" and e["name"].endswith("_kernel_time")]
    runs = max(sum(e.get("name") == "model_run" for e in events), 1)
    return [(e["name"].removesuffix("_kernel_time"), int(e["dur"]) * 1000) for e in kernels[-len(kernels) // runs:]]

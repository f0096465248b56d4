"""Calibration inputs, one sample at a time, checked; and the inputs that fidelity is measured on."""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.lib.npyio import NpzFile

from edgekit.contracts import Inputs, Workload
from edgekit.errors import WorkloadError
from edgekit.types.scheme import Scheme
from edgekit.workload.images import image_samples
from edgekit.workload.origin import shown

__all__ = ["Samples", "calibration_count", "calibration_inputs", "fidelity_inputs"]


# Inputs for schemes whose ranges need none: biases are corrected with them.
_CORRECTION_SAMPLES = 32


def calibration_count(scheme: Scheme, asked: int) -> int:
    """How many samples ``scheme`` uses at most, where a recipe asks for ``asked`` to take ranges from."""
    if scheme.needs_calibration:
        return asked
    return _CORRECTION_SAMPLES if scheme.corrects_biases else 0


class Samples:
    """A workload's calibration samples, checked and read once, however often the first ones are asked for.

    Args:
        data: an ``.npz`` (keys = input names, first dimension = samples) or a folder of images; None takes the
            workload's ``calibration()``.
    """

    def __init__(self, workload: Workload, data: Path | None = None) -> None:
        self.workload, self.data = workload, data
        self._known: list[Inputs] = []
        self._rest: Iterator[Inputs] | None = None

    def first(self, count: int) -> tuple[Inputs, ...]:
        """The first ``count`` samples, or as many as there are.

        Raises WorkloadError: ``calibration-missing``, ``calibration-shape``, ``calibration-dtype``,
        ``calibration-nan`` and those of the readers.
        """
        if self._rest is None:
            self._rest = _samples(self.workload, self.data)
        for sample in itertools.islice(self._rest, max(count - len(self._known), 0)):
            self._known.append(tuple(t.clone() for t in sample))  # the user may fill the same buffer again
        return tuple(self._known[:count])


def calibration_inputs(samples: Samples, count: int, *, fewer: bool = False) -> tuple[Inputs, ...]:
    """At most ``count`` calibration inputs, each with the shapes and dtypes of the workload's example.

    ``fewer``: fewer are as good; else they are taken with a warning in ``workload.warnings``. Raises WorkloadError
    ``calibration-empty``, and what :meth:`Samples.first` raises.
    """
    taken = samples.first(count)
    if not taken:
        raise WorkloadError("calibration-empty", "there are no calibration samples",
                            where=_origin(samples.workload, samples.data),
                            next="give at least one sample; 100 to 500 typical ones calibrate well")
    if len(taken) < count and not fewer:
        samples.workload.warnings.append(f"{len(taken)} calibration samples, {count} asked for")
    return taken


def fidelity_inputs(samples: Samples, n: int, skip: int) -> tuple[tuple[Inputs, ...], str]:
    """``n`` inputs to compare artifacts on, and a text that says where they are from.

    Calibration samples after the first ``skip`` (those used to calibrate) where there are ``n``; else calibration
    samples from the first on; else made around the example inputs, seeded.
    """
    example = samples.workload.example
    if samples.workload.calibration is None and samples.data is None:
        return synthesised(example, n), "synthesised around the example inputs"
    known = samples.first(skip + n)
    if len(known) >= skip + n:
        return known[skip:], "calibration samples not used to calibrate" if skip else "calibration samples"
    if known:
        kept = known[-n:]
        text = "calibration samples, also used to calibrate" if skip else "calibration samples"
        if len(kept) < n:
            return kept + synthesised(example, n - len(kept)), f"{len(kept)} {text}, the rest synthesised"
        return kept, text
    return synthesised(example, n), "synthesised around the example inputs"


def synthesised(example: Inputs, n: int) -> tuple[Inputs, ...]:
    """``n`` seeded variations of ``example``: floats plus noise of its own deviation, integers in its range."""
    generator = torch.Generator().manual_seed(0)

    def vary(value: torch.Tensor) -> torch.Tensor:
        if value.is_floating_point():
            std = float(value.std(unbiased=False)) or 1.0
            return value + torch.randn(value.shape, generator=generator, dtype=value.dtype) * std
        if value.dtype == torch.bool:
            return value
        low, high = int(value.min()), int(value.max())
        return torch.randint(low, high + 1, value.shape, generator=generator, dtype=value.dtype)

    return tuple(tuple(vary(t) for t in example) for _ in range(n))


def _origin(workload: Workload, data: Path | None) -> str:
    return shown(str(data)) if data else f"{shown(str(workload.source))}: calibration()"


def _samples(workload: Workload, data: Path | None) -> Iterator[Inputs]:
    """Every sample there is, checked, one at a time."""
    count = 0
    for batch in _batches(workload, data):
        for sample in _split(batch, workload, count, _origin(workload, data)):
            _check(sample, workload, count, _origin(workload, data))
            count += 1
            yield sample


def _batches(workload: Workload, data: Path | None) -> Iterable[Inputs]:
    if data is None:
        if workload.calibration is None:
            raise WorkloadError(
                "calibration-missing", f"{workload.name} has no calibration data", where=shown(str(workload.source)),
                cause="static quantisation takes the ranges of activations from typical inputs",
                next="define calibration() in the workload, name an .npz or image folder in the recipe's "
                     "quantize.calibration.data, or choose w8a8-dynamic")
        return workload.calibration()
    if data.is_dir():
        return image_samples(workload, data)
    if data.suffix == ".npz" and data.is_file():
        return _npz_batches(workload, data)
    raise WorkloadError("calibration-missing", f"there is no calibration data at {data.name}", where=shown(str(data)),
                        cause="it is not there" if not data.exists() else "it is neither an .npz nor a folder",
                        next="name an .npz (keys = input names) or a folder of images")


def _npz_batches(workload: Workload, file: Path) -> Iterator[Inputs]:
    where = shown(str(file))
    try:
        with file.open("rb") as opened, NpzFile(opened, allow_pickle=False) as arrays:
            found = {k: arrays[k] for k in arrays.files}
        for name, array in found.items():
            if array.dtype.kind not in "biuf":
                raise ValueError(f"the array {name} is {array.dtype}")
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise WorkloadError("calibration-broken", f"{file.name} cannot be read", where=where, cause=str(error),
                            next="write it with numpy.savez, arrays of numbers only") from error
    if set(found) != set(workload.input_names):
        raise WorkloadError("calibration-keys", f"{file.name} has arrays {sorted(found)}", where=where,
                            cause=f"the model's inputs are {list(workload.input_names)}",
                            next=f"np.savez(file, {', '.join(f'{n}=...' for n in workload.input_names)})")
    lengths = {n: len(a) if a.ndim else 0 for n, a in found.items()}
    if len(set(lengths.values())) != 1:
        raise WorkloadError("calibration-keys", "the arrays have different numbers of samples", where=where,
                            cause=", ".join(f"{n}: {c}" for n, c in lengths.items()),
                            next="make the first dimension of each array the samples")
    batch = workload.example[0].shape[0] if workload.example[0].ndim else 1
    for start in range(0, next(iter(lengths.values())) - batch + 1, batch):
        yield tuple(_tensor(found[n][start:start + batch]) for n in workload.input_names)


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, array.dtype.newbyteorder("=")))


def _split(batch: Inputs, workload: Workload, index: int, where: str) -> Iterator[Inputs]:
    """Cuts a batch into samples of the example's own batch size; inputs of no or one size pass as they are."""
    sizes = [e.shape[0] if e.ndim else None for e in workload.example]
    if all(b.ndim == e.ndim and (not e.ndim or b.shape[0] == e.shape[0])
           for b, e in zip(batch, workload.example, strict=True)):
        yield batch
        return
    counts = {b.shape[0] // s for b, s in zip(batch, sizes, strict=True) if s and b.ndim}
    fits = len(counts) == 1 and all(not s or (b.ndim and b.shape[0] % s == 0)
                                    for b, s in zip(batch, sizes, strict=True))
    if not fits:
        raise _unfit("calibration-shape", batch, workload, index, where)
    for i in range(counts.pop()):
        yield tuple(b[i * s:(i + 1) * s] if s else b for b, s in zip(batch, sizes, strict=True))


def _unfit(code: str, sample: Inputs, workload: Workload, index: int, where: str) -> WorkloadError:
    wrong = next((n, s, e) for n, s, e in zip(workload.input_names, sample, workload.example, strict=True)
                 if s.shape != e.shape or s.dtype != e.dtype)
    name, value, example = wrong
    return WorkloadError(
        code, f"calibration sample {index} does not fit input {name}", where=where,
        cause=f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}, the example is "
              f"{str(example.dtype).removeprefix('torch.')}{list(example.shape)}",
        next="give samples of the example inputs' shape and dtype")


def _check(sample: Inputs, workload: Workload, index: int, where: str) -> None:
    for name, value, example in zip(workload.input_names, sample, workload.example, strict=True):
        if value.shape != example.shape:
            raise _unfit("calibration-shape", sample, workload, index, where)
        if value.dtype != example.dtype:
            raise _unfit("calibration-dtype", sample, workload, index, where)
        if value.is_floating_point() and not _finite(value):
            kind = "NaN" if bool(value.isnan().any()) else "infinity"
            raise WorkloadError("calibration-nan", f"calibration sample {index} has {kind} in input {name}",
                                where=where, cause="ranges cannot be taken from values that are not finite",
                                next="remove the sample, or correct what makes it")


def _finite(value: torch.Tensor) -> bool:
    """By numpy where it can: torch would wake all its threads for each of many small samples."""
    if value.dtype == torch.bfloat16:
        return bool(torch.isfinite(value).all())
    return bool(np.isfinite(value.numpy()).all())

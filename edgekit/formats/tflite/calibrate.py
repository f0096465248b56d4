"""Activation ranges of the float .tflite, taken by edgekit's observers: the same statistic as every other format's."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.contracts import Inputs, QuantPlan
from edgekit.errors import UsageError
from edgekit.formats.tflite.flatbuffer import FileGraph
from edgekit.formats.tflite.graph import op_kind
from edgekit.formats.tflite.runtime import interpreter
from edgekit.quantize.observers import RangeObserver, make_observer, observer_for

__all__ = ["calibrate", "model_inputs"]

# Operators whose result has the grid of their first input (zeros and a max-pool's minus infinity lie on its edge).
_SAME_VALUES = frozenset({"RESHAPE", "TRANSPOSE", "SQUEEZE", "EXPAND_DIMS", "PAD", "PADV2"})

# Activations that cut, and operators through which what they will cut passes unchanged.
_CUTS = frozenset({"RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1"})
_MOVES = _SAME_VALUES | {"SLICE", "STRIDED_SLICE"}

Ranges = dict[str, tuple[float, float]]


def calibrate(path: Path, graph: FileGraph, plan: QuantPlan, scratch: Path) -> Ranges:
    """(lo, hi) of every float activation by tensor name.

    One sample is in memory at a time. Ranges are kept in ``scratch`` by the calibration inputs, observer and width,
    so that a second export with other float rules reads them.
    """
    bits = 16 if plan.scheme.activations == "int16" else 8
    kept = scratch / f"ranges-{_key(path, plan, bits)}.json"
    if kept.exists():
        return {name: (lo, hi) for name, (lo, hi) in json.loads(kept.read_text(encoding="utf-8")).items()}
    if not plan.calibration:
        raise UsageError("calibration-missing", f"{plan.scheme.name} needs calibration inputs and got none",
                         next="define calibration() in the workload, or name data in `quantize.calibration`")
    origin = {t: op.inputs[0] for op in graph.ops if op.name in _SAME_VALUES for t in op.outputs}
    watched = [i for i, t in enumerate(graph.tensors) if t.dtype == "float32" and not t.constant and
               i not in origin and (i in graph.makers or i in graph.inputs)]
    readers = _reader_kinds(graph, origin)
    observers = {i: make_observer(observer_for(plan.observer, readers[i])) for i in watched}
    _observe(path, graph, plan.calibration, observers)
    ranges = {graph.tensors[i].name: o.range(bits, symmetric=bits == 16) for i, o in observers.items()}
    for index in origin:
        source = _root(index, origin)
        if graph.tensors[source].name in ranges:
            ranges[graph.tensors[index].name] = ranges[graph.tensors[source].name]
    _clip(graph, ranges)
    part = kept.with_suffix(".part")
    part.write_text(json.dumps(ranges), encoding="utf-8")
    part.replace(kept)
    return ranges


def _clip(graph: FileGraph, ranges: Ranges) -> None:
    """What an activation alone reads gets the activation's own range: values that it cuts off need no steps.

    The converter fuses most activations into the operator before; that of a transposed convolution stays behind a crop.
    """
    readers: dict[int, int] = defaultdict(int)
    for index in [*(t for op in graph.ops for t in op.inputs), *graph.outputs]:
        readers[index] += 1
    makers = {t: op for op in graph.ops for t in op.outputs}
    for cut in graph.ops:
        kept = ranges.get(graph.tensors[cut.outputs[0]].name) if cut.name in _CUTS else None
        if kept is None:
            continue
        chain = [cut.inputs[0]]
        while (maker := makers.get(chain[-1])) is not None and maker.name in _MOVES:
            chain.append(maker.inputs[0])
        if maker is not None and all(readers[index] == 1 for index in chain):
            ranges |= {graph.tensors[index].name: kept for index in chain}


def _observe(path: Path, graph: FileGraph, samples: tuple[Inputs, ...], observers: dict[int, RangeObserver]) -> None:
    loaded: Any = None
    shapes: dict[int, tuple[int, ...]] = {}
    for sample in samples:
        values = dict(zip(graph.inputs, model_inputs(graph, sample), strict=True))
        if loaded is None or shapes != {index: value.shape for index, value in values.items()}:
            shapes = {index: value.shape for index, value in values.items()}
            loaded = interpreter(path, keep_values=True, shapes=shapes)
        for index, value in values.items():
            loaded.set_tensor(index, value)
        loaded.invoke()
        for index, observer in observers.items():
            observer.update(loaded.get_tensor(index))


def _root(index: int, origin: dict[int, int]) -> int:
    while index in origin:
        index = origin[index]
    return index


def _reader_kinds(graph: FileGraph, origin: dict[int, int]) -> dict[int, set[str]]:
    """tensor -> the kinds of the operators that read it, also behind operators that only move its values."""
    kinds: dict[int, set[str]] = defaultdict(set)
    for op in graph.ops:
        for index in op.inputs:
            kinds[_root(index, origin)].add(op_kind(graph, op))
    return kinds


def model_inputs(graph: FileGraph, sample: Inputs) -> list[np.ndarray]:
    """One calibration sample in the float file's own dtypes and layout."""
    arrays = []
    for spec, tensor in zip(graph.input_specs(), sample, strict=True):
        value = tensor.detach().numpy()
        if spec.layout == "nhwc":
            value = value.transpose(0, 2, 3, 1)
        arrays.append(np.ascontiguousarray(value.astype(spec.dtype, copy=False)))
    return arrays


def _key(path: Path, plan: QuantPlan, bits: int) -> str:
    digest = hashlib.sha256(f"{plan.observer} {bits} ".encode())
    digest.update(path.read_bytes())
    for sample in plan.calibration:
        for tensor in sample:
            digest.update(np.ascontiguousarray(tensor.detach().numpy()).tobytes())
    return digest.hexdigest()[:16]

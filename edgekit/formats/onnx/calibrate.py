"""Activation ranges of the float model, by edgekit's own observers: the same statistic as in every other format."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

from edgekit.contracts import Inputs, QuantPlan
from edgekit.formats.onnx.names import Names
from edgekit.quantize.observers import make_observer
from edgekit.workload.hashing import calibration_hash

__all__ = ["Ranges", "activation_ranges"]

Ranges = dict[str, tuple[float, float]]

# Values that one run may hold at a time; more are taken in several runs.
_RUN_BYTES = 256 * 1024**2


def activation_ranges(model: onnx.ModelProto, plan: QuantPlan, bits: int, scratch: Path) -> Ranges:
    """The range of every float tensor of ``model``, by name, for ``bits``-wide activations.

    Kept in ``scratch``: exporting again with more layers kept float calibrates nothing again.
    """
    kept = scratch / f"ranges-{plan.observer}-{bits}-{calibration_hash(plan.calibration)[:16]}.json"
    if kept.exists():
        return {name: (lo, hi) for name, (lo, hi) in json.loads(kept.read_text(encoding="utf-8")).items()}
    ranges: Ranges = {}
    for names in _portions(model):
        ranges |= _observe(model, names, plan.calibration, plan.observer, bits)
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(ranges), encoding="utf-8")
    return ranges


def _portions(model: onnx.ModelProto) -> Iterator[list[str]]:
    """The float tensors in groups of at most ``_RUN_BYTES``."""
    names = Names(model)
    group: list[str] = []
    size = 0
    for name in [*(v.name for v in model.graph.input), *(o for n in model.graph.node for o in n.output if o)]:
        if not names.is_float(name):
            continue
        shape = names.shape(name) or ()
        nbytes = 4 * int(np.prod([d if isinstance(d, int) else 1 for d in shape], dtype=np.int64))
        if group and size + nbytes > _RUN_BYTES:
            yield group
            group, size = [], 0
        group.append(name)
        size += nbytes
    if group:
        yield group


def _observe(model: onnx.ModelProto, names: Sequence[str], calibration: Sequence[Inputs], observer: str,
             bits: int) -> Ranges:
    inputs = [v.name for v in model.graph.input]
    inner = [name for name in names if name not in inputs]
    session = _session_with_outputs(model, inner)
    observers = {name: make_observer(observer) for name in names}
    for sample in calibration:
        feed = {name: value.numpy() for name, value in zip(inputs, sample, strict=True)}
        values = dict(zip(inner, session.run(inner, feed), strict=True)) | feed
        for name in names:
            observers[name].update(values[name])
    return {name: seen.range(bits) for name, seen in observers.items()}


def _session_with_outputs(model: onnx.ModelProto, names: Sequence[str]) -> ort.InferenceSession:
    """A session on ``model`` that also returns the tensors ``names``."""
    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    present = {v.name for v in opened.graph.output}
    known = {v.name: v for v in opened.graph.value_info}
    for name in names:
        if name not in present:
            opened.graph.output.append(known.get(name) or onnx.helper.make_empty_tensor_value_info(name))
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(opened.SerializeToString(), options, providers=["CPUExecutionProvider"])

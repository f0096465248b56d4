"""Kernel tables of ncnn from its counted layers, and rows priced by them: the analytic tier on ncnn's benchmark."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from kernel_fit import Counted, fit_kernel
from kernels import operator_of
from layers import BASES, CACHES, LINES
from network import SKIPPED, Layer
from rows import DATA, Row, layers_of

from edgekit.estimate.kernels import Kernel, Operator, work_of
from edgekit.estimate.price import price, stacked
from edgekit.estimate.timing import GROUPS, CoreTiming

Tables = Mapping[str, Mapping[str, Kernel]]  # by core model and kernel
_HALF = {"cortex-a53": False, "cortex-a72": False}
# What stands for a kernel that no other network has, else "elementwise".
_NEAREST = {"attention": "pointwise", "depthwise": "depthwise5x5", "linear.int8": "linear",
            "deconvolution": "depthwise3x3.odd", "Reduction": "pooling.global"}


def half(core: str) -> bool:
    """Whether ncnn computes in float16 there."""
    return _HALF.get(core, True)


def operators(network: str, core: str) -> list[Operator]:
    return [operator_of(layer, network.endswith("_int8"), half(core)) for layer in layers_of(network)]


@cache
def counted_layers(core: str) -> dict[str, list[Counted]]:
    """Each network's layers as operators with what they executed, less what reading their output did."""
    with (DATA / "layers.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["core"] == core]
    groups = sorted(set(GROUPS.values()))
    columns = [*groups, *LINES]
    read = _reading(rows, columns)
    first, *further = (int(level.split(":")[0]) * 1024.0 for level in CACHES[core].split("+"))
    found: dict[str, list[Counted]] = {}
    for row in rows:
        layer = _named(row["network"]).get(row["layer"])
        if layer is None:
            continue
        outputs = math.prod(layer.outputs[0])
        left = {c: max(float(row[c]) - each - more * outputs, 0.0) for c, (each, more) in read.items()}
        op = operator_of(layer, row["network"].endswith("_int8"), half(core))
        found.setdefault(row["network"], []).append(
            Counted(op, {g: left[g] for g in groups}, left["l1_misses"],
                    min(left["l1_streamed"], left["l1_misses"]), first,
                    tuple((size, left[f"l{k}_misses"]) for k, size in enumerate(further, 2)),
                    sum(call.weight_bytes for call in operators(row["network"], core))))
    return found


def _reading(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> dict[str, tuple[float, float]]:
    """What reading an output executes, for a call and for an element: from the rows that do nothing else."""
    alone = [(math.prod(shape), row) for row in rows if (shape := _split(row["network"]).get(row["layer"]))]
    terms = np.array([[1.0, elements] for elements, _ in alone])
    return {c: tuple(np.linalg.lstsq(terms, np.array([float(row[c]) for _, row in alone]), rcond=None)[0])
            for c in columns}


@cache
def _lines(network: str) -> tuple[list[str], ...]:
    return tuple(line.split() for line in (DATA / "params" / f"{network}.param").read_text().splitlines()[2:])


@cache
def _named(network: str) -> dict[str, Layer]:
    names = [line[1] for line in _lines(network) if line[0] != "Input" and line[0] not in SKIPPED]
    return dict(zip(names, layers_of(network), strict=True))


@cache
def _split(network: str) -> dict[str, tuple[int, ...]]:
    """Shapes of what Split layers pass on, by name: that of the next layer which reads it."""
    told = [line for line in _lines(network) if line[0] != "Input" and line[0] not in SKIPPED]
    shapes = {blob: layer.inputs[k] for line, layer in zip(told, layers_of(network), strict=True)
              for k, blob in enumerate(line[4:4 + int(line[2])])}
    return {line[1]: shapes[line[5]] for line in _lines(network) if line[0] == "Split" and line[5] in shapes}


def tables(without: str | None = None) -> Tables:
    """The kernel tables of the core models that were counted, of all networks but one."""
    own = {core: {**_all(core), **(_without(core, without) if without else {})} for core in CACHES}
    return {core: {**own.get(BASES.get(core, core), {}), **kernels} for core, kernels in own.items()}


@cache
def _all(core: str) -> dict[str, Kernel]:
    calls = [one for each in counted_layers(core).values() for one in each]
    return {name: fit_kernel([c for c in calls if c.operator.kernel == name])
            for name in sorted({c.operator.kernel for c in calls})}


def _without(core: str, network: str) -> dict[str, Kernel]:
    """The kernels that ``network`` has a part in, fitted again; one that it alone has stays out."""
    found: dict[str, Kernel] = {}
    for name in {c.operator.kernel for c in counted_layers(core).get(network, [])}:
        calls = [c for n, each in counted_layers(core).items() if n != network for c in each
                 if c.operator.kernel == name]
        if calls:
            found[name] = fit_kernel(calls)
    return found


def analytic_ms(row: Row, timing: CoreTiming, kernels: Tables) -> float:
    """Milliseconds of a row by the kernel tables, on a machine that ``timing`` knows or that nobody measured."""
    table = kernels[row.counted]
    calls = operators(row.network, row.core)
    weights = sum(call.weight_bytes for call in calls)
    works = [work_of(call, table.get(call.kernel) or table[_NEAREST.get(call.kernel, "elementwise")], row.caches,
                     weights) for call in calls]
    own = timing.on(row.machine)
    found = price(stacked(works), timing, row.ghz, row.gb_s, row.threads, own.line_ns)
    return float(np.sum(found.ms)) * own.scale

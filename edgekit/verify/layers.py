"""Where the error starts: per-layer SQNR of an artifact against the float program, in order of execution."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations

import numpy as np
import torch

from edgekit.contracts import Inputs, LayerValue, Program
from edgekit.quantize.kinds import kind_of
from edgekit.types.graph import Source
from edgekit.types.verification import LayerError
from edgekit.verify.compare import sqnr_db

__all__ = ["first_drop", "layer_errors"]

# A layer "drops" when it alone costs this much on the way from its predecessor's SQNR.
DROP_DB = 6.0
_FUSABLE = ("batch_norm", "relu", "hard_swish", "hard_sigmoid", "sigmoid", "tanh", "leaky_relu", "reshape")
# Enough to call one orientation of a layer the right one: another axis order gives noise (about 0 dB or less).
_AXES = {n: [p for p in permutations(range(n)) if p[0] == 0] for n in range(1, 6)}


def _float_values(program: Program, inputs: Inputs) -> dict[str, list[tuple[Source, np.ndarray]]]:
    """By module path, every value that an artifact's layer from there may hold: its own, and what fuses into it."""
    values: dict[torch.fx.Node, np.ndarray] = {}

    class Recorder(torch.fx.Interpreter):
        def run_node(self, node: torch.fx.Node) -> object:
            out = super().run_node(node)
            if node.op == "call_function" and isinstance(out, torch.Tensor) and out.is_floating_point():
                values[node] = out.detach().numpy()
            return out

    with torch.inference_mode():
        Recorder(program.exported.module()).run(*inputs)  # type: ignore[arg-type]
    found: dict[str, list[tuple[Source, np.ndarray]]] = {}
    for node in values:
        source = program.sources.get(node.name)
        if source is not None:
            for part in (node, *_fused(node)):
                if part in values:
                    found.setdefault(source.module, []).append((source, values[part]))
    return found


def _fused(node: torch.fx.Node) -> Iterator[torch.fx.Node]:
    """What a converter may fold into ``node``'s operator: single users that normalise or activate, in order."""
    while len(node.users) == 1:
        node = next(iter(node.users))
        if kind_of(node) not in _FUSABLE:
            return
        yield node


def _aligned_sqnr(reference: np.ndarray, value: np.ndarray) -> float | None:
    """SQNR under the axis order that fits best: artifacts keep images channels-last where the model has them first.

    Raises LookupError where no order of axes has the reference's shape.
    """
    if reference.size == value.size and reference.shape != value.shape:
        squeezed = [d for d in reference.shape if d != 1]
        if squeezed == [d for d in value.shape if d != 1]:
            value = value.reshape(reference.shape)
    if reference.ndim != value.ndim:
        raise LookupError
    found = [sqnr_db(reference, value.transpose(axes)) for axes in _AXES.get(value.ndim, [tuple(range(value.ndim))])
             if value.transpose(axes).shape == reference.shape]
    if not found:
        raise LookupError
    return None if None in found else max(f for f in found if f is not None)


def layer_errors(program: Program, inputs: Inputs, layers: Sequence[LayerValue]) -> list[LayerError]:
    """Matches an artifact's intermediate values to the float program's by module path, in the artifact's order.

    Args:
        inputs: the model-side inputs that ``layers`` were computed from.
        layers: what ``Session.layers`` gave.
    """
    by_module = _float_values(program, inputs)
    errors: list[LayerError] = []
    for layer in layers:
        if layer.source is None or layer.source.module not in by_module:
            continue
        scored: list[tuple[float | None, Source]] = []
        for source, value in by_module[layer.source.module]:
            try:
                scored.append((_aligned_sqnr(value, layer.value), source))
            except LookupError:
                continue
        if not scored:
            continue
        # A module may hold several values of one shape: the artifact's layer is the one it is nearest to.
        best = max(scored, key=lambda pair: float("inf") if pair[0] is None else pair[0])
        errors.append(LayerError(index=len(errors), name=layer.name, kind=layer.kind, source=best[1],
                                 sqnr_db=best[0]))
    return errors


def first_drop(errors: Sequence[LayerError], floor_db: float) -> LayerError | None:
    """The first layer under ``floor_db`` that lies at least ``DROP_DB`` below the best layer before it."""
    best = float("inf")
    for error in errors:
        value = float("inf") if error.sqnr_db is None else error.sqnr_db
        if value < floor_db and best - value >= DROP_DB:
            return error
        best = min(best, value)
    return next((e for e in errors if e.sqnr_db is not None and e.sqnr_db < floor_db), None)

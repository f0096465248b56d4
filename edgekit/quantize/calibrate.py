"""Activation ranges of a program: one float pass per calibration sample, every tensor a scheme may quantise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.fx import Node, map_arg

from edgekit.contracts import Inputs, QuantPlan
from edgekit.errors import UsageError
from edgekit.quantize.observers import RangeObserver, make_observer, observer_for
from edgekit.quantize.params import Grid, activation_grid
from edgekit.quantize.wiring import STATIC_KINDS, Wiring

__all__ = ["Ranges", "evaluate"]

Operand = Callable[[Node, Node, Any], Any]
Result = Callable[[Node, Any], Any]


class Ranges:
    """Grids of a program's activations, from the plan's observer on the plan's calibration inputs."""

    def __init__(self, wiring: Wiring, plan: QuantPlan) -> None:
        if not plan.calibration:
            raise UsageError("calibration-missing", f"Scheme {plan.scheme.name} needs calibration inputs.",
                             cause="Static scales come from representative inputs, and there are none.",
                             next="Define calibration() in the workload, or name quantize.calibration.data.")
        self._bits = 16 if plan.scheme.activations == "int16" else 8
        covered = wiring.covered(STATIC_KINDS, ())
        points = {wiring.grid_root(n) for n in covered if n not in wiring.fused_into_user}
        points |= {wiring.grid_root(i) for n in covered for i in wiring.activations(n) if n not in wiring.heads}
        self._observers: dict[Node, RangeObserver] = {
            n: make_observer(observer_for(plan.observer, wiring.reader_kinds(n))) for n in points}
        self._grids: dict[Node, Grid] = {}

        def watch(node: Node, value: Any) -> Any:
            if node in self._observers:
                self._observers[node].update(value)
            return value

        for inputs in plan.calibration:
            evaluate(wiring, inputs, result=watch)

    def grid(self, node: Node) -> Grid:
        """The grid of a node that is its own ``grid_root``. 16-bit grids are symmetric, as the runtimes want them."""
        if node not in self._grids:
            symmetric = self._bits == 16
            lo, hi = self._observers[node].range(self._bits, symmetric)
            self._grids[node] = activation_grid(lo, hi, self._bits, symmetric=symmetric)
        return self._grids[node]


@torch.no_grad()
def evaluate(wiring: Wiring, inputs: Inputs, *, operand: Operand | None = None, result: Result | None = None,
             known: Mapping[Node, Any] | None = None, keep: bool = False) -> dict[Node, Any]:
    """Runs the program node by node.

    Args:
        inputs: the model's positional inputs.
        operand: ``(user, node, value) -> value`` on each tensor operand; ``result``: ``(node, value) -> value``.
        known: values of nodes that need not be computed.
        keep: keep every node's value; otherwise values go with their last user.
    Returns:
        values by node, that of the output node always (a tuple).
    """
    values: dict[Node, Any] = dict(known or {})
    given = iter(inputs)
    exported = wiring.program.exported
    module, outputs = exported.graph_module, len(exported.graph_signature.user_outputs)
    for node in wiring.nodes:
        if node.op == "placeholder":
            value = wiring.constants[node] if node in wiring.constants else next(given)
            values[node] = result(node, value) if result else value
        elif node.op == "output":
            values[node] = _returned(node, values)[-outputs:]  # mutated buffers come before
        elif node not in values:
            values[node] = _compute(node, values, module, operand, result)
        if not keep:
            for used in wiring.last_uses.get(node, ()):
                values.pop(used, None)
    return values


def _returned(node: Node, values: Mapping[Node, Any]) -> tuple[Any, ...]:
    returned: Any = map_arg(node.args[0], lambda used: values[used])
    return tuple(returned)


def _compute(node: Node, values: Mapping[Node, Any], module: torch.nn.Module, operand: Operand | None,
             result: Result | None) -> Any:
    def fetch(used: Node) -> Any:
        return operand(node, used, values[used]) if operand else values[used]

    args: Any = map_arg(node.args, fetch)
    kwargs: Any = map_arg(node.kwargs, fetch)
    if node.op == "get_attr":
        return getattr(module, str(node.target))
    target: Any = node.target
    if isinstance(target, torch._ops.OpOverload) and target._schema.is_mutable:
        args = (args[0].clone(), *args[1:])  # the value before an in-place operator is still asked for
    value = target(*args, **kwargs)
    return result(node, value) if result else value

"""Activation ranges of a program: one float pass per calibration sample, every tensor a scheme may quantise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch.fx import Node, map_arg

from edgekit.contracts import Inputs, QuantPlan
from edgekit.errors import UsageError
from edgekit.quantize.attention import HIDDEN, rounded_attention, rounds_inside
from edgekit.quantize.observers import RangeObserver, make_observer, observer_for
from edgekit.quantize.params import Grid, activation_grid
from edgekit.quantize.wiring import STATIC_KINDS, Wiring

__all__ = ["Ranges", "Run", "evaluate"]

Operand = Callable[[Node, Node, Any], Any]
Result = Callable[[Node, Any], Any]
Kernel = Callable[[Node], Callable[..., Any] | None]
Point = Node | tuple[Node, str]  # whose values are quantised: a node's, or those of a tensor inside attention


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
        self._observers: dict[Point, RangeObserver] = {
            n: make_observer(observer_for(plan.observer, wiring.reader_kinds(n))) for n in points}
        self._observers |= {(n, name): make_observer(observer_for(plan.observer, readers))
                            for n in covered if rounds_inside(n, plan.scheme)
                            for name, readers in HIDDEN.items()}
        self._grids: dict[Point, Grid] = {}

        def watch(node: Node, value: Any) -> Any:
            if node in self._observers:
                self._observers[node].update(value)
            return value

        for inputs in plan.calibration:
            evaluate(wiring, inputs, result=watch, kernel=self._watch_inside)

    def _watch_inside(self, node: Node) -> Callable[..., Any] | None:
        def watch(name: str, value: torch.Tensor) -> torch.Tensor:
            self._observers[node, name].update(value)
            return value

        return partial(rounded_attention, rounding=watch) if (node, "scores") in self._observers else None

    def grid(self, point: Point) -> Grid:
        """The grid of a node that is its own ``grid_root``, or of a tensor inside attention.

        16-bit grids are symmetric, as the runtimes want them.
        """
        if point not in self._grids:
            symmetric = self._bits == 16
            lo, hi = self._observers[point].range(self._bits, symmetric)
            self._grids[point] = activation_grid(lo, hi, self._bits, symmetric=symmetric)
        return self._grids[point]


class Run:
    """One input's way through the program, node by node. ``values`` holds what later nodes still need."""

    def __init__(self, wiring: Wiring, inputs: Inputs, *, operand: Operand | None = None, result: Result | None = None,
                 kernel: Kernel | None = None, known: Mapping[Node, Any] | None = None, keep: bool = False) -> None:
        self._wiring, self._operand, self._result, self._keep = wiring, operand, result, keep
        self._kernel = kernel
        self._given = iter(inputs)
        self._outputs = len(wiring.program.exported.graph_signature.user_outputs)
        self.values: dict[Node, Any] = dict(known or {})

    @torch.no_grad()
    def step(self, node: Node) -> None:
        """Computes ``node``; to be called for every node in the graph's order."""
        if node.op == "placeholder":
            constants = self._wiring.constants
            self.values[node] = self._done(node, constants[node] if node in constants else next(self._given))
        elif node.op == "output":
            returned: Any = map_arg(node.args[0], self.values.__getitem__)
            self.values[node] = tuple(returned)[-self._outputs:]  # mutated buffers come before
        elif node not in self.values:
            self.values[node] = self._done(node, self._compute(node))
        if not self._keep:
            for used in self._wiring.last_uses.get(node, ()):
                self.values.pop(used, None)

    def _done(self, node: Node, value: Any) -> Any:
        return self._result(node, value) if self._result else value

    def _fetch(self, user: Node, used: Node) -> Any:
        value = self.values[used]
        return self._operand(user, used, value) if self._operand else value

    def _compute(self, node: Node) -> Any:
        if node.op == "get_attr":
            return getattr(self._wiring.program.exported.graph_module, str(node.target))
        args: Any = map_arg(node.args, lambda used: self._fetch(node, used))
        kwargs: Any = map_arg(node.kwargs, lambda used: self._fetch(node, used))
        target: Any = node.target
        if isinstance(target, torch._ops.OpOverload) and target._schema.is_mutable:
            args = (args[0].clone(), *args[1:])  # the value before an in-place operator is still asked for
        return ((self._kernel(node) if self._kernel else None) or target)(*args, **kwargs)


def evaluate(wiring: Wiring, inputs: Inputs, *, operand: Operand | None = None, result: Result | None = None,
             kernel: Kernel | None = None, known: Mapping[Node, Any] | None = None,
             keep: bool = False) -> dict[Node, Any]:
    """Runs the program.

    Args:
        inputs: the model's positional inputs.
        operand: ``(user, node, value) -> value`` on each tensor operand; ``result``: ``(node, value) -> value``.
        kernel: ``(node) -> function`` to compute a node with instead of its own operator, or None.
        known: values of nodes that need not be computed.
        keep: keep every node's value; otherwise values go with their last user.
    Returns:
        values by node, that of the output node always (a tuple).
    """
    run = Run(wiring, inputs, operand=operand, result=result, kernel=kernel, known=known, keep=keep)
    for node in wiring.nodes:
        run.step(node)
    return run.values

"""Simulated quantisation of a program in eager PyTorch: what a scheme can reach, whatever the runtime."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import torch
from torch.fx import Node

from edgekit.contracts import FloatRule, Inputs, Program, QuantPlan
from edgekit.quantize.attention import rounded_attention, rounds_inside
from edgekit.quantize.calibrate import Ranges, evaluate
from edgekit.quantize.params import fake_quantize, fake_quantize_dynamic, fake_quantize_weight
from edgekit.quantize.recurrent import unrolled
from edgekit.quantize.wiring import DYNAMIC_KINDS, STATIC_KINDS, WEIGHT_AXIS, Wiring
from edgekit.types.fidelity import WORST_DB
from edgekit.types.graph import Source
from edgekit.types.verification import LayerError

__all__ = ["Simulator", "energies", "layer_errors", "outputs_db", "ratio_db", "simulate", "worst_db"]

# Kinds with int4 weights where the scheme asks for them; all formats store the others in int8 or float.
_INT4_KINDS = frozenset(("conv", "linear"))


class Simulator:
    """A program under a plan. Ranges are taken once and serve every set of float rules."""

    def __init__(self, program: Program, plan: QuantPlan) -> None:
        self.wiring = Wiring(unrolled(program))
        self.plan = plan
        self.static = plan.scheme.ranges == "static"
        self._weights: dict[Node, torch.Tensor] = {}

    @cached_property
    def ranges(self) -> Ranges:
        return Ranges(self.wiring, self.plan)

    def covered(self, extra: Iterable[FloatRule] = ()) -> frozenset[Node]:
        """The nodes that are quantised under the plan's float rules and ``extra``."""
        if self.plan.scheme.weights == "float32":
            return frozenset()
        kinds = STATIC_KINDS if self.static else DYNAMIC_KINDS
        return self.wiring.covered(kinds, (*self.plan.keep_float, *extra))

    def run(self, inputs: Inputs, covered: frozenset[Node], *, known: Mapping[Node, Any] | None = None,
            keep: bool = False) -> dict[Node, Any]:
        """Values by node with ``covered`` quantised; see :func:`edgekit.quantize.calibrate.evaluate`."""
        return evaluate(self.wiring, inputs, operand=partial(self.operand, covered),
                        result=partial(self.result, covered), kernel=partial(self.kernel, covered), known=known,
                        keep=keep)

    def operand(self, covered: frozenset[Node], user: Node, node: Node, value: Any) -> Any:
        """What ``user`` reads where ``node`` made ``value``: weights and float activations quantised on the way."""
        if user not in covered:
            return value
        if node is self.wiring.weight(user):
            return self._weight(user, value)
        if not self.rounds_operand(user, node, covered):
            return value
        if not self.static:
            return fake_quantize_dynamic(value)
        return fake_quantize(value, self.ranges.grid(self.wiring.grid_root(node)))

    def result(self, covered: frozenset[Node], node: Node, value: Any) -> Any:
        """What leaves ``node``'s kernel."""
        if not self.rounds_result(node, covered):
            return value
        return fake_quantize(value, self.ranges.grid(self.wiring.grid_root(node)))

    def kernel(self, covered: frozenset[Node], node: Node) -> Callable[..., Any] | None:
        """How ``node`` is computed where that is not its own operator: fused attention rounds inside."""
        if node not in covered or not rounds_inside(node, self.plan.scheme):
            return None
        return partial(rounded_attention,
                       rounding=lambda name, value: fake_quantize(value, self.ranges.grid((node, name))))

    def rounds_result(self, node: Node, covered: frozenset[Node]) -> bool:
        return self.static and node in covered and node not in self.wiring.fused_into_user

    def rounds_operand(self, user: Node, node: Node, covered: frozenset[Node]) -> bool:
        """Whether ``user`` quantises its input ``node``, because whoever made it left it float."""
        return (user in covered and user not in self.wiring.heads and node in self.wiring.activations(user)
                and self.plan.scheme.ranges != "none"
                and not (self.static and self.wiring.root(node) in covered))

    def _weight(self, user: Node, value: torch.Tensor) -> torch.Tensor:
        if user not in self._weights:
            kind, asked = self.wiring.kinds[user], self.plan.scheme.weights
            bits = 4 if asked == "int4" and kind in _INT4_KINDS else 8
            self._weights[user] = value.half().float() if asked == "float16" else \
                fake_quantize_weight(value, WEIGHT_AXIS[kind], bits)
        return self._weights[user]


def simulate(program: Program, plan: QuantPlan) -> Callable[[Inputs], tuple[torch.Tensor, ...]]:
    """The program as the plan's scheme would compute it: ``run(inputs) -> outputs``, float32 in the program's order.

    Weights get one symmetric scale a channel; activations one scale a tensor, from the plan's observer and
    calibration (static) or from each input (dynamic). Biases and accumulators are exact. In int8 all formats round
    weights like this. In int4 only TFLite does: ExecuTorch clips the largest values of a channel and ONNX has a scale
    for every 32 inputs, which comes out some dB better or worse. Raises UsageError where a static scheme has no
    calibration inputs.
    """
    simulator = Simulator(program, plan)
    covered = simulator.covered()
    if simulator.static:
        simulator.ranges  # noqa: B018 - calibrate now, not at the first call
    output = simulator.wiring.nodes[-1]
    return lambda inputs: simulator.run(inputs, covered)[output]


def layer_errors(program: Program, plan: QuantPlan, inputs: Iterable[Inputs]) -> list[LayerError]:
    """Every operator's SQNR in dB over ``inputs`` between simulated and float values, in order of execution."""
    simulator = Simulator(program, plan)
    wiring, covered = simulator.wiring, simulator.covered()
    shown = [n for n in wiring.nodes if n.op == "call_function" and wiring.is_real(n)]
    signal, noise = dict.fromkeys(shown, 0.0), dict.fromkeys(shown, 0.0)
    for sample in inputs:
        exact = evaluate(wiring, sample, keep=True)
        rounded = simulator.run(sample, covered, keep=True)
        for node in shown:
            signal[node] += energy(exact[node])
            noise[node] += energy(exact[node] - rounded[node])
    ratios = [ratio_db(signal[n], noise[n]) for n in shown]
    return [LayerError(index=i, name=n.name, kind=wiring.kinds[n], source=wiring.source(n) or Source(module=""),
                       sqnr_db=None if db == math.inf else db)
            for i, (n, db) in enumerate(zip(shown, ratios, strict=True))]


def energy(values: torch.Tensor) -> float:
    """Sum of squares over the finite values (masks hold infinities)."""
    norm = float(torch.linalg.vector_norm(values.detach()))
    if math.isfinite(norm) and norm > 1e-15:  # else squares may have overflowed or vanished in float32
        return norm**2
    return float(torch.nan_to_num(values.double(), 0.0, 0.0, 0.0).square().sum())


def energies(values: Iterable[Any]) -> list[float]:
    """:func:`energy` of each floating-point value."""
    return [energy(v) for v in values if v.is_floating_point()]


def outputs_db(wanted: Sequence[Sequence[torch.Tensor]], found: Sequence[Sequence[torch.Tensor]]) -> float:
    """SQNR in dB of the worst output; each holds a run's outputs for every input."""
    signal = [sum(column) for column in zip(*map(energies, wanted), strict=True)]
    errors = ([w - f for w, f in zip(*pair, strict=True) if w.is_floating_point()]
              for pair in zip(wanted, found, strict=True))
    return worst_db(signal, [sum(column) for column in zip(*map(energies, errors), strict=True)])


def worst_db(signal: Iterable[float], noise: Iterable[float]) -> float:
    """:func:`ratio_db` of the worst output: a small one drowns in the energies of all together."""
    return min(map(ratio_db, signal, noise), default=math.inf)


def ratio_db(signal: float, noise: float) -> float:
    """10 log10(signal / noise), both energies; infinite without noise, ``WORST_DB`` without signal."""
    if noise == 0.0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 else WORST_DB

"""Bias correction: shifts that quantisation adds to a layer's mean output go into the layer's bias.

Rounding a channel's weights moves the channel's mean output (Nagel et al., 2019, section 4.2). Simulated on the digits
examples with 32 inputs: w8a8-static 0.1 to 1.3 dB better, w8a8-dynamic 0.5 to 2.5, int8 weights alone 3 to 6. On two
small vision transformers and a sentence encoder int8 weights alone gain 0.9 to 3 dB, but w8a8 ends between 0.7 below
and 0.7 above: normalisation takes means out by itself, and what remains of the shifts is mostly chance. On a
MobileNetV2 trained on digits w8a8-static loses 0.7: so biases are corrected only where the outputs gain by it.

A shift is right for one rounding of the weights only. All formats round to int8 alike, but to int4 each in its own way:
one's shifts cost the others up to 3 dB in small nets, so int4 has none.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch.fx import Node

from edgekit.contracts import Inputs, Program, QuantPlan
from edgekit.quantize.calibrate import Run
from edgekit.quantize.kinds import op_name
from edgekit.quantize.simulate import Simulator, outputs_db
from edgekit.quantize.wiring import WEIGHT_AXIS, Wiring

__all__ = ["corrected_biases"]

# Inputs run side by side, so that each layer is corrected before the next one sees its output: as many as these allow.
_MAX_INPUTS = 32
_BYTES_BUDGET = 128 * 2**20
# A few inputs show whether there is anything to gain. How much hangs on the exact grids, which take all of them: where
# much of an image is of one colour, another grid rounds it to another side, and shifts that gain 1.5 dB cost 9 there.
_FIRST_LOOK = 8
# Position of the bias among a node's arguments.
_BIAS_AT = {"batch_norm": 2}
_MIN_VALUES = 64
# Gain of the outputs, on the inputs that the shifts are from, below which it is chance on others.
_MIN_GAIN_DB = 0.5
_NORMS = {"layer_norm", "group_norm"}


def corrected_biases(program: Program, plan: QuantPlan, kinds: Collection[str]) -> dict[str, torch.Tensor]:
    """Biases, by name in the program's state, that cancel the mean error of its quantised layers.

    Args:
        plan: the scheme, its float rules and the calibration inputs that the errors are taken over; none without
            inputs.
        kinds: those of layers that the format really quantises.

    Layers without a bias of their own, or that share it, have none; so have int4 weights, programs with layer or group
    norms under schemes that quantise activations, and those whose outputs hardly gain.
    """
    if not plan.calibration or not plan.scheme.corrects_biases:
        return {}
    first = replace(plan, calibration=plan.calibration[:_FIRST_LOOK])
    if plan.scheme.ranges == "static" and not _corrected(Simulator(program, first), kinds):
        return {}
    return _corrected(Simulator(program, plan), kinds)


def _corrected(simulator: Simulator, kinds: Collection[str]) -> dict[str, torch.Tensor]:
    plan, wiring = simulator.plan, simulator.wiring
    if plan.scheme.activations != "float32" and _NORMS & set(wiring.kinds.values()):
        return {}
    others = set(WEIGHT_AXIS) - set(kinds)
    covered = frozenset(n for n in simulator.covered() if wiring.kinds[wiring.head(n)] not in others)
    layers = {n: bias for n in covered if (bias := _bias(wiring, n)) is not None}
    shifts = _shifts(simulator, covered, layers)
    signature = wiring.program.exported.graph_signature
    names = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    return {names[layers[n].name]: wiring.constants[layers[n]].detach() + shift for n, shift in shifts.items()
            if bool(shift.any())}


def _bias(wiring: Wiring, node: Node) -> Node | None:
    """The bias of a layer with a constant weight, or of the batch norm fused to it, if nothing else reads it."""
    kind = wiring.kinds[node]
    if kind not in (*WEIGHT_AXIS, "batch_norm") or wiring.weight(wiring.head(node)) is None:
        return None
    if kind != "batch_norm" and any(wiring.kinds[u] == "batch_norm" for u in node.users if u in wiring.heads):
        return None
    at = _BIAS_AT.get(kind, 2)
    bias = node.args[at] if len(node.args) > at and op_name(node) != "addmm" else None
    if not isinstance(bias, Node) or bias not in wiring.constants or len(bias.users) != 1:
        return None
    return bias


def _shifts(simulator: Simulator, covered: frozenset[Node], layers: Collection[Node]) -> dict[Node, torch.Tensor]:
    """Mean of float minus quantised output by channel of each layer, those before it corrected already.

    Empty where the corrected outputs are not nearer to the float ones by ``_MIN_GAIN_DB``.
    """
    plan, wiring = simulator.plan, simulator.wiring
    room = _BYTES_BUDGET // (2 * max(_live_bytes(wiring, plan.calibration[0]), 1))
    inputs = plan.calibration[:max(1, min(_MAX_INPUTS, room))]
    shifts: dict[Node, torch.Tensor] = {}
    raw: list[torch.Tensor] = []

    def result(node: Node, value: Any) -> Any:
        if node not in layers:
            return simulator.result(covered, node, value)
        raw.append(value)  # before rounding: the shift is not known yet
        return value

    exact = [Run(wiring, sample) for sample in inputs]
    operand, kernel = partial(simulator.operand, covered), partial(simulator.kernel, covered)
    rounded = [Run(wiring, sample, operand=operand, result=result, kernel=kernel) for sample in inputs]
    for node in wiring.nodes:
        for run in (*exact, *rounded):
            run.step(node)
        if node not in layers:
            continue
        shape = raw[0].shape
        channel = len(shape) - 1 if wiring.kinds[node] == "linear" else 1
        rest = [d for d in range(len(shape)) if d != channel]
        means = [(e.values[node] - value).mean(rest) for e, value in zip(exact, raw, strict=True)]
        if len(raw) * raw[0].numel() // shape[channel] >= _MIN_VALUES:
            shifts[node] = _significant(torch.stack(means))
        raw.clear()
        shift = shifts[node].reshape([-1 if d == channel else 1 for d in range(len(shape))]) if node in shifts else 0.0
        for run in rounded:
            run.values[node] = simulator.result(covered, node, run.values[node] + shift)
    output = wiring.nodes[-1]
    wanted, corrected = ([run.values[output] for run in runs] for runs in (exact, rounded))
    plain = [simulator.run(sample, covered)[output] for sample in inputs]
    return shifts if outputs_db(wanted, corrected) >= outputs_db(wanted, plain) + _MIN_GAIN_DB else {}


def _live_bytes(wiring: Wiring, sample: Inputs) -> int:
    """Most bytes of activations that one run holds at a time."""
    run, most = Run(wiring, sample), 0
    for node in wiring.nodes:
        run.step(node)
        most = max(most, sum(v.nbytes for n, v in run.values.items()
                             if n.op == "call_function" and isinstance(v, torch.Tensor)))
    return most


def _significant(means: torch.Tensor) -> torch.Tensor:
    """Shift by channel from every input's own mean error (inputs x channels), shrunk by what is chance in it."""
    shift = means.mean(0)
    if len(means) < 2:
        return shift
    chance = means.var(0) / len(means)
    return shift * (1 - chance / shift.square().clamp_min(1e-30)).clamp(0, 1)

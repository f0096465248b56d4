"""Corrected biases (``QuantPlan.biases``) in a quantised graph, where they help on XNNPACK's own grids."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import torch
from torch import nn
from torch.fx import GraphModule

from edgekit.contracts import Inputs, Program, QuantPlan
from edgekit.quantize.kinds import op_name
from edgekit.quantize.simulate import outputs_db

__all__ = ["Asked", "store_biases"]

_INPUTS = 4

Outputs = list[tuple[torch.Tensor, ...]]


class Asked:
    """The float model's outputs on a few calibration inputs, taken while the graph is float still.

    The shifts are found with a grid for each operand of a concatenation. XNNPACK wants one for all of them, and where
    much of an image is of one colour, another grid rounds it to another side: shifts that gain 4 dB can cost 6. Nothing
    is asked of graphs without one.
    """

    def __init__(self, module: GraphModule, plan: QuantPlan) -> None:
        shares = plan.scheme.ranges == "static" and any(op_name(n) == "cat" for n in module.graph.nodes)
        self.samples: Sequence[Inputs] = plan.calibration[:_INPUTS] if plan.biases and shares else ()
        self.wanted = self.outputs(module)

    @torch.no_grad()
    def outputs(self, module: GraphModule) -> Outputs:
        found = [module(*sample) for sample in self.samples]
        return [(out,) if isinstance(out, torch.Tensor) else tuple(out) for out in found]


def store_biases(converted: GraphModule, program: Program, plan: QuantPlan, exact: Collection[str],
                 asked: Asked) -> bool:
    """Stores the plan's biases, except those named in ``exact``, whose layers stayed float: nothing shifts there.

    One that was rewritten meanwhile is left alone. Returns False where all are, because the outputs would come further
    from those in ``asked``.
    """
    places = [(owner, leaf, before, plan.biases[name])
              for name, owner, leaf, before in _own(converted, program, plan) if name not in exact]
    plain = asked.outputs(converted)
    for owner, leaf, _, after in places:
        # in place it would change the program too, which shares the tensor
        setattr(owner, leaf, nn.Parameter(after.clone(), requires_grad=False))
    if places and asked.samples:
        corrected = asked.outputs(converted)
        if outputs_db(asked.wanted, corrected) < outputs_db(asked.wanted, plain):
            for owner, leaf, before, _ in places:
                setattr(owner, leaf, before)
            return False
    return True


def _own(module: GraphModule, program: Program, plan: QuantPlan) -> Iterator[tuple[str, Any, str, torch.Tensor]]:
    for name in plan.biases:
        path, _, leaf = name.rpartition(".")
        try:
            owner = module.get_submodule(path)
            stored = getattr(owner, leaf)
        except AttributeError:
            continue
        own = program.exported.state_dict[name].detach()
        if stored.shape == own.shape and torch.equal(stored.detach(), own):
            yield name, owner, leaf, stored

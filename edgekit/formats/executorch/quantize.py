"""PT2E quantisation of an unlifted graph with edgekit's observers and float rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from edgekit.contracts import Inputs, Program, QuantPlan
from edgekit.errors import UsageError
from edgekit.formats.executorch.biases import Asked, store_biases
from edgekit.formats.executorch.embedding import quantize_embeddings
from edgekit.formats.executorch.memory_format import arrives_channels_last
from edgekit.formats.executorch.provenance import is_marked_float, is_signal, origin, program_name
from edgekit.formats.executorch.quantizer import XnnpackQuantizer
from edgekit.formats.executorch.schemes import covered_kinds
from edgekit.quantize.kinds import kind_of
from edgekit.quantize.rules import covering
from edgekit.types.graph import Source

__all__ = ["Quantized", "kept_float", "quantize"]

_BIASED = ("linear", "conv", "depthwise_conv", "conv_transpose")
_BITS = {"int8": 8, "int4": 4}


class Quantized(NamedTuple):
    """``without_kernel`` says, by name in the program, the kind of covered operators that stayed float for want of a
    kernel, and why; ``corrected``, whether the plan's biases could be used."""

    module: GraphModule
    without_kernel: Mapping[str, tuple[str, str]]
    corrected: bool


def quantize(module: GraphModule, program: Program, plan: QuantPlan) -> Quantized:
    """``module`` (unlifted, of ``program``) in PT2E's quantise-dequantise form under ``plan``.

    Raises UsageError where a static scheme has no calibration inputs.
    """
    scheme = plan.scheme
    if scheme.needs_calibration and not plan.calibration:
        raise UsageError("calibration-missing", f"Scheme {scheme.name} needs calibration inputs.",
                         cause="Static scales come from representative inputs, and there are none.",
                         next="Define calibration() in the workload, or name quantize.calibration.data.")
    covered = covered_kinds(scheme.name)
    quantizer = XnnpackQuantizer(scheme.ranges, _BITS[scheme.weights], plan.observer, covered - {"embedding"},
                                 lambda node: kept_float(node, plan, program.sources),
                                 integer_outputs=plan.io.dtype != "float32")
    if scheme.ranges == "none":
        _split_biases(module)
    elif scheme.ranges == "dynamic":
        _convert_images(module, covered)
    else:
        _separate_biases(module)
    asked = Asked(module, plan)
    prepared = prepare_pt2e(module, quantizer)
    _calibrate(prepared, plan.calibration if scheme.needs_calibration else (program.example,))
    exact = _float_biases(prepared)
    converted = convert_pt2e(prepared)
    corrected = store_biases(converted, program, plan, exact, asked)
    if "embedding" in covered:
        quantize_embeddings(converted, lambda node: kept_float(node, plan, program.sources))
    _share_zero_points(converted)
    return Quantized(converted, quantizer.without_kernel, corrected)


def kept_float(node: Node, plan: QuantPlan, sources: Mapping[str, Source]) -> bool:
    """Whether a float rule of the plan covers the operator ``node`` of an unlifted graph, or its origin."""
    return covering(plan.keep_float, origin(node, sources), kind_of(node), program_name(node)) is not None


@torch.no_grad()
def _calibrate(prepared: GraphModule, samples: tuple[Inputs, ...]) -> None:
    for sample in samples:
        prepared(*sample)


def _float_biases(prepared: GraphModule) -> set[str]:
    """Names of the biases of layers that stay float."""
    return {str(used.target) for node in prepared.graph.nodes if kind_of(node) in _BIASED and is_marked_float(node)
            for used in node.all_input_nodes if used.op == "get_attr"}


def _split_biases(module: GraphModule) -> None:
    """Linear layers with integer weights and float inputs: the XNNPACK serialiser takes those without a bias only."""
    for node in list(module.graph.nodes):
        if node.target is torch.ops.aten.linear.default and len(node.args) > 2 and node.args[2] is not None:
            bias, node.args = node.args[2], node.args[:2]
            with module.graph.inserting_after(node):
                total = module.graph.call_function(torch.ops.aten.add.Tensor, (node, bias))
            total.meta = dict(node.meta)
            node.replace_all_uses_with(total, delete_user_cb=lambda user, total=total: user is not total)
    module.recompile()


def _separate_biases(module: GraphModule) -> None:
    """A bias of its own for every use of a shared layer.

    XNNPACK stores a bias once, in steps of the input scale of its first use; in the others it would be wrong.
    """
    seen: set[str] = set()
    for node in module.graph.nodes:
        bias = node.args[2] if kind_of(node) in _BIASED and len(node.args) > 2 else None
        if not isinstance(bias, Node) or bias.op != "get_attr":
            continue
        if (target := str(bias.target)) in seen:
            owner, _, name = target.rpartition(".")
            own = f"_{node.name}_bias"
            module.register_buffer(own, getattr(module.get_submodule(owner), name).detach().clone())
            with module.graph.inserting_before(node):
                copy = module.graph.get_attr(own)
            copy.meta = dict(bias.meta)
            node.update_arg(2, copy)
        seen.add(target)
    module.recompile()


def _convert_images(module: GraphModule, kinds: frozenset[str]) -> None:
    """Stores the inputs of covered convolutions channels last where XNNPACK would not (see ``memory_format``)."""
    for node in list(module.graph.nodes):
        if kind_of(node) not in kinds or kind_of(node) == "linear" or is_signal(node):  # signals stay float
            continue
        image = node.args[0]
        if isinstance(image, Node) and image.meta["val"].dim() == 4 and not arrives_channels_last(image):
            with module.graph.inserting_before(node):
                stored = module.graph.call_function(torch.ops.aten.clone.default, (image,),
                                                    {"memory_format": torch.channels_last})
            stored.meta = dict(image.meta)
            node.update_arg(0, stored)
    module.recompile()


def _share_zero_points(module: GraphModule) -> None:
    """Symmetric weights all have zero points of zero: one buffer a length, and fewer nodes for every lowering pass."""
    shared: dict[int, str] = {}
    for node in module.graph.nodes:
        if node.target != torch.ops.quantized_decomposed.dequantize_per_channel.default:
            continue
        zero_points = node.args[2]
        if not isinstance(zero_points, Node) or zero_points.op != "get_attr":
            continue
        value = getattr(module, str(zero_points.target))
        if not torch.count_nonzero(value):
            zero_points.target = shared.setdefault(len(value), str(zero_points.target))
    module.recompile()

"""The XNNPACK partitioner with what the tool's own gets wrong on ordinary networks put right, by its public hooks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from executorch.backends.xnnpack._passes.channels_last_tagged_reshape_pass import ChannelsLastTaggedReshapePass
from executorch.backends.xnnpack.partition.config import ALL_PARTITIONER_CONFIGS
from executorch.backends.xnnpack.partition.config.gemm_configs import LinearConfig
from executorch.backends.xnnpack.partition.config.generic_node_configs import (
    GenericNodePartitionerConfig,
    SoftmaxConfig,
)
from executorch.backends.xnnpack.partition.config.xnnpack_config import ConfigPrecisionType, XNNPartitionerConfig
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.backends.xnnpack.utils.quant_utils import is_dequant
from executorch.exir.backend.canonical_partitioners.config_partitioner import format_target_name
from executorch.exir.backend.utils import WhyNoPartition
from torch.export import ExportedProgram
from torch.fx import Node

from edgekit.formats.executorch.provenance import is_marked_float

__all__ = ["Partitioner", "refusals"]

_why = WhyNoPartition(logger=logging.getLogger(f"executorch.backends.xnnpack.partition.{__name__}"))


class FlatSoftmax(SoftmaxConfig):
    """Softmax on up to three axes only.

    Behind a convolution, a PReLU or a maximum along an axis a 4-D tensor is stored channels last, and XNNPACK's
    softmax then runs over the channels instead of the last axis, without a word.
    """

    def check_constraints(self, node: Node, ep: ExportedProgram) -> bool:
        value = node.args[0].meta["val"]  # type: ignore[union-attr]
        if value.dim() == 4 and _may_be_channels_last(node):
            _why(node, "its 4-D input is stored channels last, where XNNPACK's softmax runs over the wrong axis")
            return False
        return super().check_constraints(node, ep)


class LinearWithStoredWeights(LinearConfig):
    """Linear layers, also those with integer weights and float activations (XNNPACK's qc8w and qc4w kernels)."""

    def _detect_precision(self, node: Node) -> ConfigPrecisionType:
        activation = node.args[0]
        assert isinstance(activation, Node)
        if not is_dequant(activation):
            return ConfigPrecisionType.FP32
        return super()._detect_precision(node)

    def _get_weight_deps(self, node: Node, ep: ExportedProgram,
                         precision: ConfigPrecisionType) -> tuple[bool, list[Node]]:
        weight = node.args[1]
        if precision == ConfigPrecisionType.FP32 and isinstance(weight, Node) and is_dequant(weight):
            valid, deps = super()._get_weight_deps(node, ep, ConfigPrecisionType.STATIC_QUANT)
            return valid, deps
        return super()._get_weight_deps(node, ep, precision)


class _FloatStaysFloat(GenericNodePartitionerConfig):
    """Keeps an operator from the integer kernel that XNNPACK would choose for it between integer neighbours."""

    def get_node_and_deps(self, node: Node, ep: ExportedProgram) -> list[Node]:
        return [node] if is_marked_float(node) else super().get_node_and_deps(node, ep)


def _obeying(config: type[XNNPartitionerConfig]) -> type[XNNPartitionerConfig]:
    if not issubclass(config, GenericNodePartitionerConfig):
        return config
    return type(config.__name__, (_FloatStaysFloat, config), {})


_OWN = {config.target_name: config for config in (FlatSoftmax, LinearWithStoredWeights)}


class Partitioner(XnnpackPartitioner):
    """All of XNNPACK's operators, with edgekit's versions of some, and one decomposition less.

    ``ops_to_not_decompose`` answers without a filter where every operator of a kind can be delegated, as in nearly
    all models: lowering then decomposes once instead of twice.
    """

    def __init__(self) -> None:
        super().__init__(configs=[_obeying(_OWN.get(c.target_name, c)) for c in ALL_PARTITIONER_CONFIGS])

    def ops_to_not_decompose(self, ep: ExportedProgram) -> tuple[
            list[torch._ops.OpOverload], Callable[[Node], bool] | None]:
        operators, fits = super().ops_to_not_decompose(ep)
        assert fits is not None
        used: dict[object, bool] = {}
        for node in ep.graph.nodes:
            if node.op == "call_function" and node.target in operators:
                used[node.target] = used.get(node.target, True) and fits(node)
        if len(set(used.values())) == 2 or any(used.values()) != all(used.values()):
            return operators, fits
        return [o for o in operators if used.get(o, False)], None


@contextmanager
def refusals() -> Iterator[dict[str, str]]:
    """Collects why nodes were not delegated, by node name, from the partitioner's own debug messages."""
    reasons: dict[str, str] = {}

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said = record.msg
            if isinstance(said, WhyNoPartition) and said.node is not None:
                reasons[said.node.name] = said.reason

    logger, handler = logging.getLogger("executorch.backends.xnnpack.partition"), Collect()
    level, propagate = logger.level, logger.propagate
    children = [logging.getLogger(n) for n in logging.root.manager.loggerDict if n.startswith(logger.name + ".")]
    levels = [(child, child.level) for child in children]
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    for child in children:
        child.setLevel(logging.DEBUG)
    try:
        yield reasons
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
        for child, old in levels:
            child.setLevel(old)


def _may_be_channels_last(node: Node) -> bool:
    """Whether a convolution, pool, resize or the like lies before ``node``, with nothing between to fix the layout."""
    pending, seen = [node.args[0]], set()
    while pending:
        before = pending.pop()
        if not isinstance(before, Node) or before in seen or before.op != "call_function":
            continue
        seen.add(before)
        value = before.meta.get("val")
        if isinstance(value, torch.Tensor) and value.dim() != 4:
            continue
        if format_target_name(before.target.__name__) in _CHANNELS_LAST:  # type: ignore[union-attr]
            return True
        pending.extend(before.all_input_nodes)
    return False


# Operators that make XNNPACK store their result channels last: those that its own pass gives such inputs, and the names
# that some of them have before they are decomposed.
_CHANNELS_LAST = frozenset((
    *(format_target_name(target.__name__) for target in ChannelsLastTaggedReshapePass.memory_sensitive_ops_nhwc),
    "conv2d.default", "upsample_bilinear2d.default", "_prelu_kernel.default",
    "_native_batch_norm_legit_no_training.default"))

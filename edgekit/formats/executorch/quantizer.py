"""Which tensors XNNPACK computes in integers: a PT2E quantizer that marks only what its kernels take.

The tool's own quantizer differs in ways that cost accuracy or break models: it rounds a convolution's output before
``relu6``, turns the scalars of integer arithmetic into floats, quantises concatenations that were to stay float, rounds
sums whose users compute in float anyway, and lets a mean keep the range of its input.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e.observer import PlaceholderObserver
from torchao.quantization.pt2e.quantizer import (
    QuantizationAnnotation,
    QuantizationSpec,
    Quantizer,
    SharedQuantizationSpec,
)
from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

from edgekit.formats.executorch.memory_format import arrives_channels_last, is_channels_last
from edgekit.formats.executorch.observers import ActivationObserver, PerChannelWeightObserver
from edgekit.formats.executorch.provenance import is_signal, mark_float, program_name
from edgekit.quantize.kinds import kind_of, op_name

__all__ = ["STATIC_OPERATORS", "XnnpackQuantizer", "weight_of"]

# Channel axis of a weight's scales.
_WEIGHT_AXIS = {"conv": 0, "depthwise_conv": 0, "conv_transpose": 1, "linear": 0}
# Operators with an int8 kernel that rounds its result to a grid of its own.
_OWN_GRID = frozenset(("add", "sub", "mul", "mean", "avg_pool"))
_GRID_NAMES = frozenset(("add", "sub", "mul", "mean", "adaptive_avg_pool2d"))
# Operators that only move or pick values: output and input share one grid.
_SAME_GRID_NAMES = frozenset((
    "view", "reshape", "flatten", "permute", "transpose", "max_pool2d", "slice", "unsqueeze", "squeeze"))
STATIC_OPERATORS = frozenset((*_WEIGHT_AXIS, *_OWN_GRID, "concat", "relu"))


class XnnpackQuantizer(Quantizer):
    """Marks a graph for PT2E.

    Args:
        ranges: ``static`` (int8 activations from calibration), ``dynamic`` or ``none`` (weights only).
        weight_bits: 8 or 4.
        statistic: observer of static ranges.
        kinds: operator kinds whose weights are quantised.
        keep: whether an operator stays float.
        integer_outputs: whether the model's own outputs are integers.

    ``without_kernel`` says, by name in the program, of which kind operators are that stayed float for want of a kernel,
    and why.
    """

    def __init__(self, ranges: str, weight_bits: int, statistic: str, kinds: frozenset[str],
                 keep: Callable[[Node], bool], *, integer_outputs: bool = False) -> None:
        self._ranges, self._kinds, self._keep = ranges, kinds, keep
        self._integer_outputs = integer_outputs
        self.without_kernel: dict[str, tuple[str, str]] = {}
        self._feeds_integers: set[Node] = set()
        limit = 2 ** (weight_bits - 1) - 1
        self._weights = {axis: QuantizationSpec(
            dtype=torch.int8, quant_min=-limit - (weight_bits == 4), quant_max=limit,
            qscheme=torch.per_channel_symmetric, ch_axis=axis, observer_or_fake_quant_ctr=PerChannelWeightObserver)
            for axis in set(_WEIGHT_AXIS.values())}
        dynamic = ranges == "dynamic"
        observer: Any = PlaceholderObserver if dynamic else ActivationObserver.with_args(statistic=statistic)
        self._activation = QuantizationSpec(
            dtype=torch.int8, quant_min=-128, quant_max=127, qscheme=torch.per_tensor_affine, is_dynamic=dynamic,
            observer_or_fake_quant_ctr=observer)

    def annotate(self, model: GraphModule) -> GraphModule:
        self._find_integer_users(model)
        operators = [n for n in model.graph.nodes if n.op == "call_function"]
        for node in operators:
            if not _is_float32(node):
                continue
            kind = kind_of(node)
            if self._ranges == "static" and not _is_marked(node) and _moves_values(node):
                self._mark_moving(node)
            elif self._keep(node):
                continue
            elif kind in _WEIGHT_AXIS:
                self._mark_weighted(node, kind)
            elif self._ranges == "static" and not _is_marked(node):
                self._mark_plain(node, kind)
        for node in operators:
            if not _is_marked(node):
                mark_float(node)
        return model

    def _find_integer_users(self, model: GraphModule) -> None:
        """Nodes with a user that reads integers, directly or through operators that can hand them on."""
        for node in reversed(model.graph.nodes):
            for user in node.users:
                kind = kind_of(user)
                reads = user.op == "output" and self._integer_outputs
                if user.op == "call_function" and not self._keep(user):
                    weighted = kind in _WEIGHT_AXIS and kind in self._kinds and user.args[0] is node
                    hands_on = op_name(user) in _GRID_NAMES or kind in ("concat", "relu") or _moves_values(user)
                    reads = weighted or (hands_on and user in self._feeds_integers)
                if reads:
                    self._feeds_integers.add(node)
                    break

    def validate(self, model: GraphModule) -> None:
        """Nothing to check: only what XNNPACK has kernels for was marked."""

    def _mark_weighted(self, node: Node, kind: str) -> None:
        weight = weight_of(node)
        if weight is None or kind not in self._kinds:
            return
        reason = _missing_kernel(node, kind, self._ranges)
        if reason is not None:
            self.without_kernel[program_name(node) or node.name] = kind, reason
            return
        inputs: dict[Node, Any] = {weight: self._weights[_WEIGHT_AXIS[kind]]}
        if self._ranges != "none":
            self._mark_activation(_operand(node, 0), inputs, kind)
        if self._ranges == "static":
            self._mark_output(node, inputs)
        else:
            _mark(node, inputs, None)

    def _mark_plain(self, node: Node, kind: str) -> None:
        """Operators without weights are integer where their inputs are and their users read integers."""
        real = [n for n in node.all_input_nodes if _is_float32(n)]
        if len(real) != len(node.all_input_nodes) or not real or not all(_output_spec(n) for n in real):
            return
        if kind != "relu" and node not in self._feeds_integers:
            return
        if op_name(node) in _GRID_NAMES and not _scalars(node):
            self._mark_output(node, dict.fromkeys(real, self._activation))
        elif kind == "concat" and op_name(node) == "cat" and len(set(real)) == len(node.args[0]):  # type: ignore[arg-type]
            shared = SharedQuantizationSpec((real[0], node))
            _mark(node, {n: self._activation if n is real[0] else shared for n in real}, shared)
        elif kind == "relu":
            self._mark_moving(node)

    @staticmethod
    def _mark_moving(node: Node) -> None:
        """Input and output share one grid, so nothing is rounded."""
        source = node.args[0]
        if isinstance(source, Node) and _is_float32(source) and _output_spec(source):
            shared = SharedQuantizationSpec(source)
            _mark(node, {source: shared}, shared)

    def _mark_activation(self, source: Node, inputs: dict[Node, Any], kind: str) -> None:
        """A zero pad before a convolution runs in its kernel's integers: what is rounded is the pad's input."""
        padded = source.args[0] if source.args else None
        if (kind in ("conv", "depthwise_conv") and _is_zero_pad(source, spatial_only=True) and len(source.users) == 1
                and isinstance(padded, Node) and self._ranges == "static"):
            _mark(source, {padded: self._activation}, None)
            self._mark_image(padded)
        else:
            inputs[source] = self._activation
            self._mark_image(source)

    def _mark_image(self, image: Node) -> None:
        """A signal is rounded before it is made an image: its integers may be the model's own input."""
        if self._ranges == "static" and is_signal(image) and op_name(image) == "reshape" and not _is_marked(image):
            signal = _operand(image, 0)
            _mark(image, {signal: self._activation}, SharedQuantizationSpec((signal, image)))

    def _mark_output(self, node: Node, inputs: dict[Node, Any]) -> None:
        """Rounds ``node``'s result once, after the activation that runs inside its kernel."""
        fused = _fused_activation(node)
        if fused is None:
            _mark(node, inputs, self._activation)
        elif not self._keep(fused):
            _mark(node, inputs, None)
            _mark(fused, {}, self._activation)
        else:
            _mark(node, inputs, self._activation)


def weight_of(node: Node) -> Node | None:
    """The constant weight of a weighted operator in an unlifted graph; None where it is computed."""
    weight = node.args[1] if len(node.args) > 1 else None
    return weight if isinstance(weight, Node) and weight.op == "get_attr" else None


def _mark(node: Node, inputs: dict[Node, Any], output: Any) -> None:
    node.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(input_qspec_map=inputs, output_qspec=output, _annotated=True)


def _is_marked(node: Node) -> bool:
    return Q_ANNOTATION_KEY in node.meta


def _output_spec(node: Node) -> Any:
    return node.meta[Q_ANNOTATION_KEY].output_qspec if _is_marked(node) else None


def _operand(node: Node, index: int) -> Node:
    operand = node.args[index]
    assert isinstance(operand, Node)
    return operand


def _is_float32(node: Node) -> bool:
    value = node.meta.get("val")
    return isinstance(value, torch.Tensor) and value.dtype == torch.float32


def _scalars(node: Node) -> bool:
    """Whether an arithmetic operator takes a Python number: that stays float, exact and without a grid."""
    return kind_of(node) in ("add", "sub", "mul") and len(node.all_input_nodes) < 2


def _fused_activation(node: Node) -> Node | None:
    """The relu or relu6 that XNNPACK runs inside ``node``'s kernel."""
    users = list(node.users)
    if len(users) != 1 or not _is_float32(users[0]):
        return None
    fits = {"relu"} if kind_of(node) in ("add", "sub", "mul") else {"relu", "hardtanh", "relu_", "hardtanh_"}
    if kind_of(node) in ("mean", "avg_pool") or op_name(users[0]) not in fits:
        return None
    return users[0]


def _missing_kernel(node: Node, kind: str, ranges: str) -> str | None:
    """Why XNNPACK has no integer kernel for this weighted operator; None where it has one."""
    weight = _operand(node, 1).meta["val"]
    if kind == "linear":
        if ranges == "dynamic" and is_channels_last(_operand(node, 0)):
            return "its input is stored channels last, and XNNPACK loses the ranges on the way back"
        return None
    axes = 1 if is_signal(node) and ranges == "dynamic" else weight.dim() - 2
    if kind == "conv_transpose":
        groups = node.args[6] if len(node.args) > 6 else 1
        return None if axes == 2 and groups == 1 else "XNNPACK quantises 2-D transposed convolutions in one group only"
    if axes not in ((2,) if ranges == "dynamic" else (1, 2)):
        return f"XNNPACK has no integer kernel for convolutions over {axes} axes"
    if ranges == "dynamic" and not arrives_channels_last(_operand(node, 0)):
        return "its input is not stored channels last, where XNNPACK takes ranges at run time from shuffled values"
    return None


def _moves_values(node: Node) -> bool:
    """Whether an operator only moves or picks values and has an int8 kernel in this form."""
    if op_name(node) in ("pad", "constant_pad_nd"):
        return _is_zero_pad(node)
    if op_name(node) not in _SAME_GRID_NAMES:
        return False
    if op_name(node) == "slice":
        return len(node.args) < 5 or bool(node.args[4] == 1)
    if op_name(node) == "unsqueeze":
        return node.args[1] in (-1, node.meta["val"].dim() - 1)
    return True


def _is_zero_pad(node: Node, *, spatial_only: bool = False) -> bool:
    """Whether ``node`` adds zeros (on image or signal axes only). XNNPACK rounds such a pad wherever its input is an
    integer, so it always has to share the grid of its input."""
    if op_name(node) not in ("pad", "constant_pad_nd"):
        return False
    amounts: Any = node.args[1]
    if op_name(node) == "pad":
        mode = node.args[2] if len(node.args) > 2 else "constant"
        value = node.args[3] if len(node.args) > 3 else None
    else:
        mode, value = "constant", node.args[2] if len(node.args) > 2 else 0
    axes = len(amounts) // 2 if isinstance(amounts, list | tuple) else 0
    return (mode == "constant" and not value and axes > 0 and all(isinstance(a, int) and a >= 0 for a in amounts)
            and (not spatial_only or axes <= node.meta["val"].dim() - 2))

"""How a program's operators group for quantisation: fused activations, value-preserving operators, weight slots."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch.fx import Node

from edgekit.contracts import FloatRule, Program
from edgekit.quantize.kinds import kind_of, op_name
from edgekit.quantize.rules import is_float
from edgekit.types.graph import Source

__all__ = ["DYNAMIC_KINDS", "STATIC_KINDS", "WEIGHT_AXIS", "Wiring", "tensor_of"]

# Kinds with an integer kernel in the runtimes; the others compute in float between dequantised values.
STATIC_KINDS = frozenset((
    "conv", "depthwise_conv", "conv_transpose", "linear", "matmul", "add", "sub", "mul", "relu", "hard_swish",
    "hard_sigmoid", "sigmoid", "tanh", "gelu", "silu", "leaky_relu", "prelu", "elu", "softmax", "batch_norm",
    "avg_pool", "mean", "concat", "resize"))
# Kinds whose weights the weight-only and dynamic schemes cover.
DYNAMIC_KINDS = frozenset(("conv", "depthwise_conv", "conv_transpose", "linear"))
# Values pass unchanged, so input and output share one grid and nothing is rounded.
_PASS = frozenset(("reshape", "transpose", "slice", "split", "expand", "max_pool", "gather", "pad", "cast"))
_PASS_NAMES = frozenset(("dropout", "dropout_", "alias", "clone", "contiguous", "detach", "lift_fresh_copy"))
# Rounded again, on the grid of their input.
_SAME_GRID = frozenset(("avg_pool",))
# relu after these is part of the same integer kernel.
_FUSE_HEADS = frozenset(("conv", "depthwise_conv", "conv_transpose", "linear", "add", "sub", "mul", "batch_norm"))
# Channel axis of the weight (argument 1) of each weighted kind.
WEIGHT_AXIS = {"conv": 0, "depthwise_conv": 0, "conv_transpose": 1, "linear": 0}


def tensor_of(node: Node) -> torch.Tensor | None:
    """The node's meta tensor; None where it has none or several."""
    value = node.meta.get("val")
    return value if isinstance(value, torch.Tensor) else None


@dataclass(frozen=True)
class Wiring:
    """A program's graph with what quantisation asks of it, by node."""

    program: Program

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        return tuple(self.program.exported.graph_module.graph.nodes)

    @cached_property
    def kinds(self) -> dict[Node, str]:
        return {n: kind_of(n) for n in self.nodes}

    @cached_property
    def constants(self) -> dict[Node, torch.Tensor]:
        """The tensors behind lifted placeholders: parameters, buffers, constants."""
        exported = self.program.exported
        signature = exported.graph_signature
        by_name = {**signature.inputs_to_parameters, **signature.inputs_to_buffers,
                   **signature.inputs_to_lifted_tensor_constants}
        stored = {**exported.constants, **exported.state_dict}
        return {n: stored[by_name[n.name]].detach() for n in self.nodes if n.op == "placeholder" and n.name in by_name}

    @cached_property
    def heads(self) -> dict[Node, Node]:
        """For every relu that runs inside another operator's kernel: that operator (batch norms in between too)."""
        heads: dict[Node, Node] = {}
        for node in self.nodes:
            if self.kinds[node] not in ("relu", "batch_norm") or not node.all_input_nodes:
                continue
            before = node.all_input_nodes[0]
            fits = _FUSE_HEADS if self.kinds[node] == "relu" else WEIGHT_AXIS
            if self.kinds.get(before) in fits and len(before.users) == 1:
                heads[node] = heads.get(before, before)
        return heads

    @cached_property
    def fused_into_user(self) -> frozenset[Node]:
        """Nodes whose output never leaves the kernel, because the next operator is fused to them."""
        return frozenset(n.all_input_nodes[0] for n in self.heads)

    @cached_property
    def last_uses(self) -> dict[Node, list[Node]]:
        """For every node: the nodes whose value nobody needs after it."""
        last = {used: node for node in self.nodes for used in node.all_input_nodes}
        uses: dict[Node, list[Node]] = {}
        for used, node in last.items():
            uses.setdefault(node, []).append(used)
        return uses

    def head(self, node: Node) -> Node:
        return self.heads.get(node, node)

    def source(self, node: Node) -> Source | None:
        return self.program.sources.get(node.name)

    def passes(self, node: Node) -> bool:
        """Whether the node hands values on unchanged."""
        if self.kinds[node] == "resize":
            return "nearest" in op_name(node)
        if self.kinds[node] == "pad":
            return len(node.args) < 4 or not node.args[3]
        if op_name(node) == "getitem":
            return self.kinds[node.all_input_nodes[0]] == "split"
        if self.kinds[node] == "cast":
            return self.is_real(node.all_input_nodes[0])
        return self.kinds[node] in _PASS or op_name(node) in _PASS_NAMES

    def root(self, node: Node) -> Node:
        """The node that made the values: back through value-preserving operators."""
        while self.passes(node) and node.all_input_nodes:
            node = node.all_input_nodes[0]
        return node

    def grid_root(self, node: Node) -> Node:
        """The node whose range gives the node's grid: itself, or its input's root where the grid is shared."""
        node = self.root(node)
        while self.kinds[node] in _SAME_GRID:
            node = self.root(node.all_input_nodes[0])
        return node

    def readers(self, node: Node) -> set[Node]:
        """The operators that read the node's values, through fused and value-preserving ones too."""
        found: set[Node] = set()
        for user in node.users:
            found |= self.readers(user) if self.passes(user) or user in self.heads else {user}
        return found

    def reader_kinds(self, node: Node) -> set[str]:
        """Kinds of :meth:`readers`."""
        return {self.kinds[n] for n in self.readers(node)}

    def is_real(self, node: Node) -> bool:
        value = tensor_of(node)
        return value is not None and value.is_floating_point()

    def weight(self, node: Node) -> Node | None:
        """The node's weight where it is a constant: argument 1 of the weighted kinds."""
        if self.kinds[node] not in WEIGHT_AXIS or op_name(node) == "addmm":
            return None
        weight = node.args[1]
        return weight if isinstance(weight, Node) and weight in self.constants else None

    def activations(self, node: Node) -> tuple[Node, ...]:
        """Inputs that are quantised as activations: all real ones but weight, bias and normalisation statistics."""
        inputs = node.all_input_nodes
        if self.kinds[node] in (*WEIGHT_AXIS, "batch_norm", "prelu"):
            inputs = inputs[:1]
        elif op_name(node) == "scaled_dot_product_attention":
            inputs = inputs[:3]  # not the mask
        return tuple(n for n in inputs if self.is_real(n))

    def covered(self, kinds: frozenset[str], rules: Iterable[FloatRule]) -> frozenset[Node]:
        """The nodes that a scheme over ``kinds`` quantises under ``rules``; a fused relu goes with its head."""
        rules = tuple(rules)

        def heads_fit(node: Node) -> bool:
            head = self.head(node)
            return (self.kinds[head] in kinds and not self.passes(head)
                    and not is_float(rules, self.source(head), self.kinds[head], head.name))

        return frozenset(n for n in self.nodes if n.op == "call_function" and self.is_real(n) and heads_fit(n))

    @cached_property
    def macs(self) -> dict[Node, int]:
        """Multiply-accumulates of each weighted or matrix operator at the exported shapes; symbolic sizes count 1."""
        return {n: self._macs_of(n) for n in self.nodes}

    def _macs_of(self, node: Node) -> int:
        kind, out = self.kinds[node], tensor_of(node)
        if out is None or kind not in (*WEIGHT_AXIS, "matmul"):
            return 0
        flat = [a for arg in node.args for a in (arg if isinstance(arg, list | tuple) else [arg])]
        shapes = [_shape(a) for a in flat if isinstance(a, Node)]
        if op_name(node) == "scaled_dot_product_attention":
            query, key, value = shapes[:3]
            return math.prod(query) * key[-2] + math.prod(query[:-1]) * math.prod(value[-2:])
        if kind == "conv_transpose":
            return math.prod(shapes[0]) * math.prod(shapes[1][1:])
        if kind in ("conv", "depthwise_conv"):
            return math.prod(_shape(node)) * math.prod(shapes[1][1:])
        inner = shapes[0] if op_name(node) not in ("addmm", "baddbmm") else shapes[1]
        return math.prod(_shape(node)) * (inner[-1] if inner else 1)


def _shape(node: Node) -> list[int]:
    value = tensor_of(node)
    return [d if isinstance(d, int) else 1 for d in value.shape] if value is not None else []

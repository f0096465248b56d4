"""Small rewrites of the captured graph that every format profits from. Each returns how many nodes it changed.

They work on a flat GraphModule of ATen operators, weights as ``get_attr`` nodes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import fx

from edgekit.workload.writing import Writer

__all__ = ["drop_assertions", "explicit_pool_stride", "functional", "remove_identities", "softmax_in_two_dimensions"]

aten = torch.ops.aten


def _is_view(node: fx.Node) -> bool:
    """Whether the result may share memory with an input."""
    schema = getattr(node.target, "_schema", None)
    return schema is not None and any(r.alias_info is not None and not r.alias_info.is_write for r in schema.returns)


def _use_after(old: fx.Node, new: fx.Node) -> None:
    """Readers of ``old`` that come after ``new`` read ``new`` instead."""
    later, current = set(), new.next
    while current.op != "root":
        later.add(current)
        current = current.next
    old.replace_all_uses_with(new, delete_user_cb=later.__contains__)


def functional(module: fx.GraphModule) -> int:
    """Operators in place (``relu_``) become the ones that return a new tensor, where no view is written through."""
    changed = 0
    for node in list(module.graph.nodes):
        name = str(node.target)
        schema = getattr(node.target, "_schema", None)
        if node.op != "call_function" or schema is None or not schema.is_mutable:
            continue
        packet, _, overload = name.removeprefix("aten.").partition(".")
        plain = getattr(getattr(aten, packet.removesuffix("_"), None), overload, None) if packet[-1:] == "_" else None
        written = node.args[0]
        if (plain is None or not isinstance(written, fx.Node) or written.op == "get_attr" or _is_view(written)
                or any(_is_view(user) for user in written.users)):
            continue
        node.target = plain
        _use_after(written, node)
        changed += 1
    return changed


def explicit_pool_stride(module: fx.GraphModule) -> int:
    """``F.max_pool2d(x, 2)`` gets its stride: the XNNPACK partitioner reads that argument unasked (IndexError)."""
    changed = 0
    for node in module.graph.nodes:
        if node.target in (aten.max_pool1d.default, aten.max_pool2d.default, aten.max_pool2d_with_indices.default,
                           aten.max_pool3d.default, aten.avg_pool1d.default, aten.avg_pool2d.default,
                           aten.avg_pool3d.default) and (len(node.args) < 3 or not node.args[2]):
            node.args = (*node.args[:2], node.args[1], *node.args[3:])
            changed += 1
    return changed


def _same_dtype(node: fx.Node) -> bool:
    before, after = node.args[0].meta.get("val"), node.meta.get("val")  # type: ignore[union-attr]
    return before is not None and after is not None and before.dtype == after.dtype


def _contiguous(node: fx.Node) -> bool:
    """Whether the input is contiguous already; else a view after it may rely on the copy."""
    before = node.args[0].meta.get("val")  # type: ignore[union-attr]
    return before is not None and len(node.args) == 1 and before.is_contiguous()


def _neutral(value: float) -> Callable[[fx.Node], bool]:
    """Whether the second operand is ``value``, as where ``sum()`` starts with 0, and the dtype stays."""
    return lambda n: isinstance(n.args[1], int | float) and n.args[1] == value and _same_dtype(n)


def _no_op_pad(node: fx.Node) -> bool:
    return not any(node.args[1])  # type: ignore[arg-type]


def _always(node: fx.Node) -> bool:
    return True


# Operators that return what they get (in eval mode), and when.
_IDENTITIES: dict[str, Callable[[fx.Node], bool]] = {
    "aten.dropout.default": lambda n: n.args[2] is False,
    "aten.dropout_.default": lambda n: n.args[2] is False,
    "aten.feature_dropout.default": lambda n: n.args[2] is False,
    "aten.feature_dropout_.default": lambda n: n.args[2] is False,
    "aten.alpha_dropout.default": lambda n: n.args[2] is False,
    "aten.detach.default": _always,
    "aten.detach_.default": _always,
    "aten.alias.default": _always,
    "aten.contiguous.default": _contiguous,
    "aten.to.dtype": _same_dtype,
    "aten.to.dtype_layout": _same_dtype,
    "aten.to.device": _same_dtype,
    "aten.type_as.default": _same_dtype,
    "aten.add.Tensor": _neutral(0),
    "aten.sub.Tensor": _neutral(0),
    "aten.mul.Tensor": _neutral(1),
    "aten.div.Tensor": _neutral(1),
    "aten.pad.default": _no_op_pad,
    "aten.constant_pad_nd.default": _no_op_pad,
}


def drop_assertions(module: fx.GraphModule) -> int:
    """Takes out checks of dtypes and layouts, which held when the program was captured with fixed ones."""
    found = [n for n in module.graph.nodes if str(n.target) == "aten._assert_tensor_metadata.default"]
    for node in found:
        module.graph.erase_node(node)
    return len(found)


def remove_identities(module: fx.GraphModule) -> int:
    """Takes out what computes nothing: dropout in eval mode, detach, casts to the same dtype, pads by zero."""
    changed = 0
    for node in list(module.graph.nodes):
        test = _IDENTITIES.get(str(node.target)) if node.op == "call_function" else None
        source = node.args[0] if node.args else None
        if test is None or not isinstance(source, fx.Node) or not test(node):
            continue
        if source.op == "placeholder" and any(user.op == "output" for user in node.users):
            continue  # an input returned as it is: keep a node for the output
        node.replace_all_uses_with(source)
        module.graph.erase_node(node)
        changed += 1
    return changed


# Operators whose results XNNPACK may hold channels-last, and those that pass this on. Others end the search.
_CHANNELS_LAST = ("conv", "max_pool", "avg_pool", "upsample", "pixel_shuffle")
_REORDERING = ("view", "reshape", "flatten", "unflatten", "matmul", "bmm", "linear", "embedding", "layer_norm")


def _may_be_channels_last(node: fx.Node) -> bool:
    stack, seen = list(node.all_input_nodes), set()
    while stack:
        current = stack.pop()
        if current in seen or current.op != "call_function":
            continue
        seen.add(current)
        name = str(current.target)
        if any(part in name for part in _CHANNELS_LAST):
            return True
        if not any(part in name for part in _REORDERING):
            stack += current.all_input_nodes
    return False


def softmax_in_two_dimensions(module: fx.GraphModule) -> int:
    """A 4-D softmax over the last dimension, fed by a convolution, is computed on a 2-D view.

    XNNPACK holds such a tensor channels-last and takes the softmax over axis 1 (wrong by -6 to 10 dB, seen in
    executorch 1.4.1); on two dimensions it is right. Softmax of attention scores, which a matrix product feeds, is
    right as it is.
    """
    changed = 0
    for node in list(module.graph.nodes):
        value = node.meta.get("val")
        if node.target is not aten.softmax.int or value is None or value.ndim != 4 \
                or node.args[1] not in (-1, 3) or not _may_be_channels_last(node):
            continue
        sizes = [s if isinstance(s, int) else -1 for s in value.shape]
        if sizes.count(-1) > 1 or not isinstance(sizes[3], int) or sizes[3] < 0:
            continue
        write = Writer(module, node)
        flat = write(aten.reshape.default, node.args[0], [-1, sizes[3]])
        softmax = write(aten.softmax.int, flat, 1, *node.args[2:], **node.kwargs)
        write.instead(write(aten.reshape.default, softmax, sizes))
        changed += 1
    return changed

"""Spellings of an operator that XNNPACK takes, in place of equal ones that it leaves to the portable kernels."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch.fx import GraphModule, Node

from edgekit.formats.executorch.conv1d import convolve_image, keep_images
from edgekit.workload.constants import fold_constants
from edgekit.workload.writing import Writer

__all__ = ["rewrite"]

_aten = torch.ops.aten
_MASKED = torch.finfo(torch.float32).min


class _Writer(Writer):
    """Gives each operator its meta value, too."""

    def __call__(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> Node:
        node = super().__call__(target, *args, **kwargs)
        values = torch.fx.node.map_arg(args, lambda n: n.meta["val"])
        with self.at.meta["val"].fake_mode:
            node.meta["val"] = target(*values, **kwargs)
        return node


def rewrite(module: GraphModule) -> None:
    """Respells operators of an unlifted graph in place. Values, shapes and dtypes of the model stay the same."""
    for node in list(module.graph.nodes):
        if node.target in _SPLITS:
            _split(node, module)
        respell = _RULES.get(node.target) if node.op == "call_function" else None
        if respell is not None and isinstance(node.meta.get("val"), torch.Tensor):
            replacement = respell(node, _Writer(module, node))
            if replacement is not None:
                node.replace_all_uses_with(replacement)
    module.graph.eliminate_dead_code()
    keep_images(module, _Writer)
    fold_constants(module)  # masks of attention, first states of recurrent layers
    module.recompile()


def _mean(node: Node, write: _Writer) -> Node | None:
    """Over image axes that are not kept: XNNPACK's global average pool keeps them, a reshape drops them."""
    shape, dims = _shape(node.args[0]), node.args[1]
    if len(shape) == 3:
        return _mean_of_signal(node, write)
    if len(shape) != 4 or node.kwargs.get("dtype") or not isinstance(dims, list | tuple):
        return None
    if sorted(int(d) % 4 for d in dims) != [2, 3] or (len(node.args) > 2 and node.args[2]):  # type: ignore[arg-type]
        return None
    return write(_aten.flatten.using_ints, write(_aten.mean.dim, node.args[0], [2, 3], True), 1)


def _mean_of_signal(node: Node, write: _Writer) -> Node | None:
    """Over the time axis of [N, C, L]: as an image of height one, which XNNPACK's kernel takes."""
    if node.args[1] not in ([2], [-1], (2,), (-1,)) or node.kwargs.get("dtype") or not _is_static(node.args[0]):
        return None
    batch, channels, length = _shape(node.args[0])
    image = write(_aten.reshape.default, node.args[0], [batch, channels, 1, length])
    return write(_aten.reshape.default, write(_aten.mean.dim, image, [2, 3], True), _shape(node))


def _avg_pool(node: Node, write: _Writer) -> Node | None:
    """Without padding it makes no difference whether padding counts, and XNNPACK wants that it does not."""
    source, kernel, stride, padding, ceil, count, divisor = [*node.args, *(None,) * 7][:7]
    if ceil or divisor or count is False or any(padding or ()):  # type: ignore[arg-type]
        return None
    return write(_aten.avg_pool2d.default, source, kernel, stride or kernel, [0, 0], False, False)


def _max_pool(node: Node, write: _Writer) -> Node | None:
    """The default stride spelled out: the XNNPACK partitioner reads it as an argument."""
    if len(node.args) > 2 and node.args[2]:
        return None
    return write(_aten.max_pool2d.default, node.args[0], node.args[1], node.args[1], *node.args[3:])


def _hard_sigmoid(node: Node, write: _Writer) -> Node:
    """relu6(x + 3) / 6; the tool's own decomposition adds two casts that nothing delegates."""
    shifted = write(_aten.add.Tensor, node.args[0], 3.0)
    return write(_aten.mul.Tensor, write(_aten.hardtanh.default, shifted, 0.0, 6.0), 1 / 6)


def _attention(node: Node, write: _Writer) -> Node | None:
    """Two products around a softmax. The tool's decomposition guards against rows with every key masked, with eight
    operators that nothing delegates; adding at most float32's lowest number does without: such a row averages."""
    query, key, value, mask, dropout, causal = [*node.args, *(None,) * 6][:6]
    if mask is None:
        mask = node.kwargs.get("attn_mask")
    causal, dropout = causal or node.kwargs.get("is_causal"), dropout or node.kwargs.get("dropout_p")
    if causal or dropout or node.kwargs.get("enable_gqa") or _shape(query)[:-2] != _shape(key)[:-2]:
        return None
    width = _shape(query)[-1]
    scale = node.kwargs.get("scale") or (node.args[6] if len(node.args) > 6 and node.args[6] else 1 / math.sqrt(width))
    scores = _product(write, write(_aten.mul.Tensor, query, scale), write(_aten.transpose.int, key, -2, -1))
    if mask is not None:
        scores = write(_aten.add.Tensor, scores, _additive(mask, write))
    return _product(write, write(_aten.softmax.int, scores, -1), value)


def _additive(mask: Any, write: _Writer) -> Node:
    """What a mask adds to the scores: 0, or at most float32's lowest number (infinity would make rows of NaN)."""
    if mask.meta["val"].dtype == torch.bool:
        hidden = write(_aten.to.dtype, write(_aten.logical_not.default, mask), torch.float32)
        return write(_aten.mul.Tensor, hidden, _MASKED)
    return write(_aten.clamp.default, mask, _MASKED)


def _matmul(node: Node, write: _Writer) -> Node | None:
    left, right = node.args[:2]
    batched = len(_shape(left)) > 3 and _shape(left)[:-2] == _shape(right)[:-2]
    return _product(write, left, right) if batched and _is_static(left) and _is_static(right) else None


def _product(write: _Writer, left: Any, right: Any) -> Node:
    """Batched product on three axes: ``matmul`` on four becomes two expansions that nothing delegates."""
    shape = [*_shape(left)[:-1], _shape(right)[-1]]
    if len(shape) == 3 or not (_is_static(left) and _is_static(right)):
        return write(_aten.matmul.default, left, right)
    flat = [write(_aten.reshape.default, side, [-1, *_shape(side)[-2:]]) for side in (left, right)]
    return write(_aten.reshape.default, write(_aten.bmm.default, *flat), shape)


def _as_reshape(node: Node, write: _Writer) -> Node | None:
    """Dropping and adding axes of one; XNNPACK takes that as a reshape only."""
    if not (_is_static(node) and _is_static(node.args[0])):
        return None
    return write(_aten.reshape.default, node.args[0], _shape(node))


def _split(node: Node, module: GraphModule) -> None:
    """A split, chunk or unbind as one slice a part."""
    source, parts = node.args[0], node.meta["val"]
    axis: Any = node.args[_SPLITS[node.target]] if len(node.args) > _SPLITS[node.target] else node.kwargs.get("dim", 0)
    users = list(node.users)
    if not (isinstance(axis, int) and _is_static(source)) or any(u.target is not operator.getitem for u in users):
        return
    axis %= len(_shape(source))
    unbound = node.target is _aten.unbind.int
    sizes: list[int] = [1 if unbound else part.shape[axis] for part in parts]
    for user in users:
        number: Any = user.args[1]
        index = number % len(sizes)
        write = _Writer(module, user)
        start = sum(sizes[:index])
        part = write(_aten.slice.Tensor, source, axis, start, start + sizes[index])
        user.replace_all_uses_with(write(_aten.reshape.default, part, _shape(user)) if unbound else part)
        module.graph.erase_node(user)


def _select(node: Node, write: _Writer) -> Node | None:
    source, axis, index = node.args
    if not (_is_static(node) and isinstance(axis, int) and isinstance(index, int)):
        return None
    size, axis = _shape(source)[axis], axis % len(_shape(source))
    start = index % size
    part = write(_aten.slice.Tensor, source, axis, start, start + 1)
    return write(_aten.reshape.default, part, _shape(node))


def _with_floats(node: Node, write: _Writer) -> Node | None:
    """Numbers as floats where the result is one: lowering stores an integer as int64 and casts it in every run.

    ``mul.Scalar`` and its kin become the overload that the partitioner knows; a factor of a number becomes part of it.
    """
    target: Any = _WITH_NUMBERS[node.target]
    numbers = [isinstance(a, int | float) for a in node.args[:2]]
    if not node.meta["val"].is_floating_point() or (target is node.target and not any(numbers)):
        return None
    factor: Any = node.args[2] if len(node.args) > 2 else node.kwargs.get("alpha", 1)
    operands: list[Any] = [float(a) if is_number else a  # type: ignore[arg-type]
                           for a, is_number in zip(node.args, numbers, strict=False)]
    if numbers[1]:
        operands[1], factor = operands[1] * factor, 1
    return write(target, *operands, **({} if factor == 1 else {"alpha": factor}))


def _shape(node: Any) -> list[Any]:
    return list(node.meta["val"].shape)


def _is_static(node: Any) -> bool:
    return all(isinstance(d, int) for d in _shape(node))


_WITH_NUMBERS: dict[object, object] = {
    _aten.mul.Scalar: _aten.mul.Tensor, _aten.add.Scalar: _aten.add.Tensor, _aten.sub.Scalar: _aten.sub.Tensor,
    _aten.div.Scalar: _aten.div.Tensor, _aten.mul.Tensor: _aten.mul.Tensor, _aten.add.Tensor: _aten.add.Tensor,
    _aten.sub.Tensor: _aten.sub.Tensor, _aten.div.Tensor: _aten.div.Tensor, _aten.rsub.Scalar: _aten.rsub.Scalar,
}
# Position of the axis among the arguments.
_SPLITS: dict[object, int] = {_aten.split.Tensor: 2, _aten.split_with_sizes.default: 2, _aten.chunk.default: 2,
                              _aten.unbind.int: 1}
_RULES: dict[object, Callable[[Node, _Writer], Node | None]] = {
    _aten.conv1d.default: convolve_image, _aten.conv_transpose1d.default: convolve_image,
    _aten.mean.dim: _mean, _aten.avg_pool2d.default: _avg_pool, _aten.max_pool2d.default: _max_pool,
    _aten.hardsigmoid.default: _hard_sigmoid, _aten.scaled_dot_product_attention.default: _attention,
    _aten.matmul.default: _matmul, _aten.select.int: _select,
    _aten.unsqueeze.default: _as_reshape, _aten.squeeze.dim: _as_reshape, _aten.squeeze.dims: _as_reshape,
    _aten.squeeze.default: _as_reshape,
    **dict.fromkeys(_WITH_NUMBERS, _with_floats),
}

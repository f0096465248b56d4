"""The artifact's own inputs and outputs: 8-bit integers and channels-last images where the plan asks for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torchao.quantization.pt2e  # noqa: F401 - registers the quantized_decomposed operators
from torch.fx import GraphModule, Node

from edgekit.contracts import Inputs, IoSpec, Program
from edgekit.errors import ConversionError
from edgekit.types.tensor import QuantParams, TensorSpec

__all__ = ["Border", "shape_border"]

_quantize = torch.ops.quantized_decomposed.quantize_per_tensor.default
_dequantize = torch.ops.quantized_decomposed.dequantize_per_tensor.default
_TO_NCHW, _TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)


@dataclass(frozen=True)
class Border:
    """Specs of the artifact's inputs and outputs in the program's order, and example inputs that fit them."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    example: Inputs


def shape_border(module: GraphModule, program: Program, io: IoSpec) -> Border:
    """Rewrites placeholders and outputs of an unlifted (quantised) graph in place to what ``io`` asks for."""
    graph = module.graph
    placeholders = [n for n in graph.nodes if n.op == "placeholder"]
    inputs, example = [], []
    for node, name, tensor in zip(placeholders, program.input_names, program.example, strict=True):
        spec, value = _input(module, node, name, tensor, io)
        inputs.append(_symbolic(spec, program.dynamic_batch))
        example.append(value)
    output = graph.output_node()
    returned = output.args[0]
    results: list[Any] = list(returned) if isinstance(returned, tuple | list) else [returned]
    outputs = []
    for index, name in enumerate(program.output_names):
        spec, results[index] = _output(module, output, results[index], name, io)
        outputs.append(_symbolic(spec, program.dynamic_batch))
    output.args = (tuple(results) if isinstance(returned, tuple | list) else results[0],)
    graph.lint()
    module.recompile()
    return Border(tuple(inputs), tuple(outputs), tuple(example))


def _input(module: GraphModule, node: Node, name: str, tensor: torch.Tensor,
           io: IoSpec) -> tuple[TensorSpec, torch.Tensor]:
    spec = _spec(name, tensor)
    if not tensor.is_floating_point():
        return spec, tensor
    if io.dtype != "float32":
        spec, tensor = _integer_input(module, node, spec, tensor, io.dtype)
    if io.layout == "nhwc" and tensor.dim() == 4:
        with module.graph.inserting_after(node):
            permuted = module.graph.call_function(torch.ops.aten.permute.default, (node, list(_TO_NCHW)))
        node.replace_all_uses_with(permuted, delete_user_cb=lambda user: user is not permuted)
        tensor = tensor.permute(_TO_NHWC).contiguous()
        spec = spec.model_copy(update={"shape": tuple(tensor.shape), "layout": "nhwc"})
    return spec, tensor


def _output(module: GraphModule, output: Node, result: Node, name: str, io: IoSpec) -> tuple[TensorSpec, Node]:
    value = result.meta.get("val")
    if value is None:  # PT2E's own nodes carry no value: theirs is that of what they round
        value = result.all_input_nodes[0].all_input_nodes[0].meta["val"]
    spec = _spec(name, value)
    if not value.is_floating_point():
        return spec, result
    if io.dtype != "float32":
        spec, result = _integer_output(module, result, spec, io.dtype)
    if io.layout == "nhwc" and value.dim() == 4:
        with module.graph.inserting_before(output):
            result = module.graph.call_function(torch.ops.aten.permute.default, (result, list(_TO_NHWC)))
        spec = spec.model_copy(update={"shape": tuple(spec.shape[i] for i in _TO_NHWC), "layout": "nhwc"})
    return spec, result


def _integer_input(module: GraphModule, node: Node, spec: TensorSpec, tensor: torch.Tensor,
                   dtype: str) -> tuple[TensorSpec, torch.Tensor]:
    quantizers = [u for u in node.users if u.target is _quantize]
    if not quantizers:
        raise _no_grid("input", spec.name, dtype)
    grid = quantizers[0].args[1:]
    codes = torch.ops.quantized_decomposed.quantize_per_tensor(tensor, *grid)
    inside = node
    if dtype == "uint8":
        inside = _shift(module, node, torch.int8, -128)
        codes = (codes.to(torch.int16) + 128).to(torch.uint8)
    with module.graph.inserting_after(inside):
        real = module.graph.call_function(_dequantize, (inside, *grid))
    for user in list(node.users):
        if user is real or user is inside or _belongs(user, inside):
            continue
        if user.target is _quantize and user.args[1:] == grid:
            user.replace_all_uses_with(inside)
            module.graph.erase_node(user)
        else:
            user.replace_input_with(node, real)
    return _quantized(spec, dtype, *grid[:2]), codes


def _integer_output(module: GraphModule, result: Node, spec: TensorSpec, dtype: str) -> tuple[TensorSpec, Node]:
    if result.target is not _dequantize:
        raise _no_grid("output", spec.name, dtype)
    codes, *grid = result.args[:3]
    assert isinstance(codes, Node)
    if dtype == "uint8":
        codes = _shift(module, codes, torch.uint8, 128)
    return _quantized(spec, dtype, *grid), codes


def _shift(module: GraphModule, codes: Node, dtype: torch.dtype, by: int) -> Node:
    """``codes + by`` in ``dtype``: XNNPACK computes in signed integers, so uint8 is a shift by 128 at the border."""
    node = codes
    for target, args in ((torch.ops.aten.to.dtype, (torch.int16,)), (torch.ops.aten.add.Tensor, (by,)),
                         (torch.ops.aten.to.dtype, (dtype,))):
        with module.graph.inserting_after(node):
            node = module.graph.call_function(target, (node, *args))
    return node


def _belongs(user: Node, end: Node) -> bool:
    """Whether ``user`` is part of the chain that ends in ``end``."""
    while end.op == "call_function" and end is not user and end.all_input_nodes:
        end = end.all_input_nodes[0]
    return end is user


def _spec(name: str, value: torch.Tensor) -> TensorSpec:
    shape = tuple(d if isinstance(d, int) else str(d) for d in value.shape)
    return TensorSpec(name=name, shape=shape, dtype=str(value.dtype).removeprefix("torch."))


def _symbolic(spec: TensorSpec, dynamic: bool) -> TensorSpec:
    return spec.model_copy(update={"shape": ("batch", *spec.shape[1:])}) if dynamic and spec.shape else spec


def _quantized(spec: TensorSpec, dtype: str, scale: object, zero_point: object) -> TensorSpec:
    assert isinstance(scale, float)
    assert isinstance(zero_point, int)
    quant = QuantParams(scale=(scale,), zero_point=(zero_point + (128 if dtype == "uint8" else 0),))
    return spec.model_copy(update={"dtype": dtype, "quant": quant})


def _no_grid(what: str, name: str, dtype: str) -> ConversionError:
    return ConversionError(
        "io-dtype", f"the {what} {name!r} cannot be {dtype}", where=name,
        cause=f"no operator at this {what} computes in integers, so there is no scale to store it with",
        next="use io.dtype float32, or the scheme w8a8-static with the first and last layers quantised")

"""Small rewrites of an ONNX graph that keep its meaning: unique names, one copy of each constant, linear forms."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from edgekit.formats.onnx.names import Names, attribute, fresh

__all__ = [
    "RESHAPING", "drop_unused", "fold_constants", "gemm_to_matmul", "name_batch", "name_nodes", "untie",
    "write_constants_once"]

# What the exporter leaves unfolded of a weight that it or the model cuts up and joins: MultiheadAttention's
# in_proj_weight, and the gates of an LSTM, which ONNX wants in another order.
RESHAPING = ("Split", "Slice", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Identity", "Concat")
# Smaller constants stay: merging them saves nothing, and ONNX Runtime 1.31 refuses models whose scales or zero points
# are shared between differently fused operators ("Attempt to replace the existing tensor").
_SHARED_BYTES = 4 * 1024


def name_nodes(model: ModelProto) -> None:
    """Gives every node a unique name: exclusions from quantisation go by name."""
    taken: set[str] = set()
    for node in model.graph.node:
        node.name = fresh(taken, node.name or f"{node.op_type}_{node.output[0]}")
        taken.add(node.name)


def name_batch(model: ModelProto) -> None:
    """Calls the symbolic first dimension of the inputs, and where it recurs, ``batch``."""
    symbols = {v.type.tensor_type.shape.dim[0].dim_param for v in model.graph.input
               if v.type.tensor_type.shape.dim and v.type.tensor_type.shape.dim[0].dim_param}
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in symbols:
                dim.dim_param = "batch"


def write_constants_once(model: ModelProto) -> None:
    """Merges equal constants; one that is the transpose of an embedding table becomes a Transpose of it.

    Tied weights (an embedding and the output projection) reach ONNX as two constants, the second one transposed.
    ONNX Runtime folds the Transpose when it loads the file.
    """
    first: dict[tuple[object, ...], TensorProto] = {}
    merged: dict[str, str] = {}
    turned: list[tuple[TensorProto, TensorProto]] = []
    for tensor in model.graph.initializer:
        if _bytes(tensor) < _SHARED_BYTES:
            continue
        key = _identity(numpy_helper.to_array(tensor), tensor.data_type)
        if key in first:
            merged[tensor.name] = first[key].name
        else:
            first[key] = tensor
    for tensor in list(first.values()):
        if len(tensor.dims) == 2 and min(tensor.dims) > 1:
            other = first.get(_identity(numpy_helper.to_array(tensor).T, tensor.data_type))
            # Keep the one that is gathered from: a table must stay as it is stored.
            if other is not None and other.name != tensor.name and _is_table(model, other.name):
                turned.append((tensor, other))
    for node in model.graph.node:
        node.input[:] = [merged.get(name, name) for name in node.input]
    for tensor, other in turned:
        node = helper.make_node("Transpose", [other.name], [tensor.name], name=f"tied_{tensor.name}", perm=[1, 0])
        model.graph.node.insert(0, node)
    gone = set(merged) | {tensor.name for tensor, _ in turned}
    kept = [t for t in model.graph.initializer if t.name not in gone]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def _identity(array: np.ndarray, elem_type: int) -> tuple[object, ...]:
    return elem_type, array.shape, hashlib.sha256(np.ascontiguousarray(array).tobytes()).digest()


def _bytes(tensor: TensorProto) -> int:
    return numpy_helper.to_array(tensor).nbytes


def _is_table(model: ModelProto, name: str) -> bool:
    return any(n.op_type == "Gather" and n.input[0] == name for n in model.graph.node)


def fold_constants(model: ModelProto, ops: Collection[str]) -> None:
    """Computes the nodes of types ``ops`` whose inputs are all constants, in place."""
    names, kept = Names(model), []
    for node in model.graph.node:
        if node.op_type not in ops or not all(name in names.constants for name in node.input if name):
            kept.append(node)
            continue
        feed = {name: names.array(name) for name in node.input if name}
        for name, value in zip(node.output, ReferenceEvaluator(node).run(None, feed), strict=True):
            names.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
            model.graph.initializer.append(names.constants[name])
    del model.graph.node[:]
    model.graph.node.extend(kept)
    drop_unused(model)


def untie(model: ModelProto) -> None:
    """Turns each Transpose of a constant back into a constant, so that a quantiser sees the weight that it is."""
    fold_constants(model, ("Transpose",))


def gemm_to_matmul(model: ModelProto) -> None:
    """Turns Gemm with a constant weight into MatMul and Add, the form that ONNX Runtime's integer kernels fuse."""
    names = Names(model)
    nodes: list[NodeProto] = []
    for node in model.graph.node:
        weight = names.array(node.input[1]) if node.op_type == "Gemm" else None
        plain = weight is not None and weight.ndim == 2 and not attribute(node, "transA", 0) and \
            attribute(node, "alpha", 1.0) == 1.0 and attribute(node, "beta", 1.0) == 1.0
        if not plain or weight is None:
            nodes.append(node)
            continue
        name = node.input[1]
        if attribute(node, "transB", 0):
            name = fresh(names.constants, f"{name}_T")
            tensor = numpy_helper.from_array(np.ascontiguousarray(weight.T), name)
            names.constants[name] = tensor
            model.graph.initializer.append(tensor)
        biased = len(node.input) > 2 and node.input[2]
        result = f"{node.output[0]}_product" if biased else node.output[0]
        nodes.append(helper.make_node("MatMul", [node.input[0], name], [result], name=node.name))
        if biased:
            nodes.append(helper.make_node("Add", [result, node.input[2]], [node.output[0]], name=f"{node.name}_bias"))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    drop_unused(model)


def drop_unused(model: ModelProto) -> None:
    """Removes constants that nothing reads."""
    read = {name for node in model.graph.node for name in node.input} | {v.name for v in model.graph.output}
    kept = [t for t in model.graph.initializer if t.name in read]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)

"""Each reader of integers dequantises them itself: XNNPACK loses track of the order of axes where they share that."""

from __future__ import annotations

from executorch.exir.dialects._ops import ops as exir_ops
from executorch.exir.pass_base import PassResult
from torch.fx import GraphModule

__all__ = ["read_separately"]

_DEQUANTIZE = exir_ops.edge.quantized_decomposed.dequantize_per_tensor.default  # with a grid known beforehand


def read_separately(module: GraphModule) -> PassResult:
    """A dequantisation of its own for every reader of an image, in place, in the edge dialect.

    Where a delegate's output and an operator inside it share one, ``ChannelsLastTaggedReshapePass`` converts the order
    of axes for the output and leaves the operator to read that as if it were channels last. Operators that fall apart
    while lowering (softplus) share one though each of the program's own readers has its own.
    """
    changed = False
    for node in list(module.graph.nodes):
        if node.target == _DEQUANTIZE and node.args[0].op == "call_function" and node.meta["val"].dim() == 4:
            for user in list(node.users)[1:]:
                with module.graph.inserting_before(user):
                    own = module.graph.node_copy(node, lambda n: n)
                user.replace_input_with(node, own)
                changed = True
    module.recompile()
    return PassResult(module, changed)

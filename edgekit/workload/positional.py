"""Makes a module take positional tensors and return a tensor or a flat tuple, keeping its module paths."""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from edgekit.errors import WorkloadError
from edgekit.workload.structure import flatten_outputs

__all__ = ["flatten_graph_module", "input_names_of", "input_order", "is_flat", "make_positional"]


def is_flat(outputs: Any) -> bool:
    """Whether ``outputs`` is already what artifacts return: one tensor, or a plain tuple of tensors."""
    return isinstance(outputs, torch.Tensor) or (
        type(outputs) is tuple and len(outputs) > 0 and all(isinstance(o, torch.Tensor) for o in outputs))


def input_names_of(module: nn.Module, count: int) -> tuple[str, ...]:
    """Names of ``forward``'s first ``count`` positional parameters; ``input_0`` ... where it has no names for them."""
    if isinstance(module, torch.fx.GraphModule):
        names = [str(n.target) for n in module.graph.nodes if n.op == "placeholder"]
    else:
        names = [p.name for p in inspect.signature(module.forward).parameters.values()
                 if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    rest = [f"input_{i}" if count > 1 else "input" for i in range(len(names), count)]
    return (*names[:count], *rest)


def input_order(module: nn.Module, inputs: Mapping[Any, Any]) -> tuple[str, ...]:
    """Names of inputs that are given by name, in the order of ``forward``'s parameters: positions mean those elsewhere.

    As they are given where some of them are no parameters (``**kwargs``).
    """
    given = tuple(map(str, inputs))
    parameters = [] if isinstance(module, torch.fx.GraphModule) else list(inspect.signature(module.forward).parameters)
    return tuple(p for p in parameters if p in given) if set(given) <= set(parameters) else given


def make_positional(module: nn.Module, names: Sequence[str], *, by_name: bool) -> nn.Module:
    """``module`` itself with a ``forward`` that takes tensors in the order of ``names`` and flattens its outputs.

    The class is swapped for a subclass rather than wrapped, so that module paths, state dict keys and isinstance
    checks stay the user's. ``by_name`` passes the tensors on as keyword arguments.
    """
    base = type(module)
    inner = vars(module).get("forward")  # a forward set on the instance would hide the subclass's
    if inner is not None:
        raise WorkloadError("workload-bad-output", f"{base.__name__}.forward was replaced on the instance",
                            cause="its inputs or outputs have to be flattened, which needs forward() on the class",
                            next="define forward() in the class of the module that load() returns")

    def forward(self: nn.Module, *tensors: torch.Tensor) -> Any:
        arguments = dict(zip(names, tensors, strict=True))
        outputs = base.forward(self, **arguments) if by_name else base.forward(self, *tensors)
        leaves = tuple(t for _, t in flatten_outputs(outputs))
        return leaves[0] if len(leaves) == 1 else leaves

    if all(n.isidentifier() and not keyword.iskeyword(n) for n in names):  # names in the captured graph
        parameters = [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in ("self", *names)]
        forward.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    module.__class__ = type(base.__name__, (base,), {"forward": forward, "__module__": base.__module__})
    return module


def flatten_graph_module(module: torch.fx.GraphModule) -> torch.fx.GraphModule:
    """A GraphModule from ``torch.export`` without its input and output structure: flat, and able to ``eval()``."""
    module.graph.set_codegen(torch.fx.graph.CodeGen())
    for node in list(module.graph.nodes):
        if node.op == "call_module" and "guards" in str(node.target):
            module.graph.erase_node(node)
    (output,) = (n for n in module.graph.nodes if n.op == "output")
    if isinstance(output.args[0], tuple | list):
        values = tuple(v for v in output.args[0] if v is not None)
        output.args = (values[0] if len(values) == 1 else values,)
    return torch.fx.GraphModule(module, module.graph)

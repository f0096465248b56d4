"""``torch_pruning``'s dependency graph of a module, also where a channel shuffle stands in the way."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
import torch_pruning
from torch import nn
from torch.overrides import TorchFunctionMode

from edgekit.contracts import Inputs
from edgekit.errors import ConversionError

__all__ = ["graph_of", "groups_of"]

_RESHAPES = {torch.Tensor.view, torch.Tensor.reshape, torch.reshape, torch.Tensor.unflatten, torch.unflatten,
             torch.Tensor.flatten, torch.flatten}


class _Rearranged(torch.autograd.Function):
    """A reshape that the tracer takes for an element-wise operator: it knows operators by their gradient's name."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
        return x.detach().reshape(shape).clone()

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        raise NotImplementedError("only the structure of this graph is read")


class _HideShuffles(TorchFunctionMode):
    """Hides reshapes to and from five dimensions (a shuffle's groups), whose channel arithmetic the tracer fails on."""

    def __torch_function__(self, func: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...] = (),
                           kwargs: Mapping[str, Any] | None = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in _RESHAPES and 5 in (result.ndim, args[0].ndim) and result.ndim != args[0].ndim:
            return _Rearranged.apply(args[0], tuple(result.shape))  # type: ignore[no-untyped-call]
        return result


def graph_of(module: nn.Module, example: Inputs) -> Any:
    """The dependency graph of ``module``, whose float parameters are set to require a gradient for it.

    What is hidden or unknown to the tracer counts as element-wise: prove what the graph says by running the result.

    Raises:
        ConversionError: the tracer cannot follow ``forward``.
    """
    for parameter in module.parameters():
        if parameter.is_floating_point():
            parameter.requires_grad_(True)

    def forward(traced: nn.Module, inputs: Inputs) -> Any:
        with _HideShuffles():
            return traced(*inputs)

    try:
        with torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its advice on parameters outside of layers
            return torch_pruning.DependencyGraph().build_dependency(module, example, forward_fn=forward, verbose=False)
    except Exception as error:
        raise _untraceable(error) from error


def groups_of(graph: Any, root_types: tuple[type[nn.Module], ...]) -> list[Any]:
    """``torch_pruning``'s groups of ``graph``, each with a root layer of ``root_types``. Raises as :func:`graph_of`."""
    try:
        return list(graph.get_all_groups(root_module_types=root_types))
    except Exception as error:
        raise _untraceable(error) from error


def _untraceable(error: Exception) -> ConversionError:
    return ConversionError(
        "compress-cannot-trace", "the dependencies between the model's channels cannot be traced",
        cause=f"torch_pruning: {type(error).__name__}: {error}",
        next="use the pass `unstructured`, or simplify reshapes and branches in forward()")

"""What the tools' own defaults get wrong is rewritten before any of them sees the model.

Two steps: methods of the user's modules (:mod:`reparameterize`), then rewrites of the captured graph. Each rewrite is
a function from a flat GraphModule to the number of its changes; outputs stay the same.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import fx, nn

from edgekit.contracts import Inputs
from edgekit.workload.branches import merge_branches
from edgekit.workload.broadcasts import cropping_pads, implied_expansions
from edgekit.workload.constants import fold_constants
from edgekit.workload.fold import batch_norm_as_convolution, fold_batch_norm
from edgekit.workload.patches import sliced_patches
from edgekit.workload.products import products_as_linear
from edgekit.workload.reparameterize import reparameterize
from edgekit.workload.rewrites import (
    drop_assertions,
    explicit_pool_stride,
    functional,
    remove_identities,
    softmax_in_two_dimensions,
)
from edgekit.workload.tensors import drop_unused
from edgekit.workload.windows import (
    adaptive_maxima,
    adaptive_means,
    clipped_windows,
    counted_padding,
    depth_windows,
)

__all__ = ["REWRITES", "normalize_graph", "normalize_module"]

# In order: each relies on those before it.
REWRITES: tuple[Callable[[fx.GraphModule], int], ...] = (
    functional,
    drop_assertions,
    remove_identities,
    fold_constants,
    explicit_pool_stride,
    adaptive_maxima,
    adaptive_means,
    depth_windows,
    sliced_patches,
    cropping_pads,
    implied_expansions,
    counted_padding,
    clipped_windows,
    products_as_linear,
    fold_batch_norm,
    merge_branches,
    batch_norm_as_convolution,
    softmax_in_two_dimensions,
)


def tied_weights(module: nn.Module) -> list[str]:
    """Notes on parameters that several modules share."""
    names: dict[int, list[str]] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        names.setdefault(parameter.data_ptr() if parameter.numel() else id(parameter), []).append(name)
    return [f"{' and '.join(same)} share one tensor; a format may store it more than once"
            for same in names.values() if len(same) > 1]


def normalize_module(module: nn.Module, example: Inputs, warnings: list[str]) -> nn.Module:
    """Re-parameterises ``module`` where it can do so itself, and notes tied weights in ``warnings``."""
    warnings += [note for note in tied_weights(module) if note not in warnings]
    if isinstance(module, fx.GraphModule):
        return module
    return reparameterize(module, example, warnings)


def normalize_graph(module: fx.GraphModule) -> tuple[fx.GraphModule, dict[str, int]]:
    """Applies all of :data:`REWRITES` to the captured graph.

    Returns the module, with only the weights that it still reads, and how much each rewrite changed.
    """
    with torch.no_grad():
        changes = {rewrite.__name__: rewrite(module) for rewrite in REWRITES}
    module.graph.lint()
    module.recompile()
    return drop_unused(module), {name: count for name, count in changes.items() if count}

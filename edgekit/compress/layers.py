"""The layers that passes work on."""

from __future__ import annotations

from torch import nn

from edgekit.contracts import Workload
from edgekit.errors import ConversionError

__all__ = ["CONVOLUTION", "WEIGHTED", "require_weighted"]

CONVOLUTION = nn.modules.conv._ConvNd
WEIGHTED = (CONVOLUTION, nn.Linear)


def require_weighted(workload: Workload, pass_name: str) -> None:
    """Raises ConversionError where the model has no convolution or linear layer."""
    if not any(isinstance(m, WEIGHTED) for m in workload.module.modules()):
        raise ConversionError(
            "compress-nothing-to-cut", f"the model has no convolution or linear layer for pass {pass_name!r}",
            where=str(workload.source),
            cause="only nn.Conv*d and nn.Linear are pruned; a .pt2 holds operators, not layers",
            next=f"give a Python file that builds the model, or remove {pass_name!r} from the recipe's `compress`")

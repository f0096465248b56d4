"""Unstructured magnitude pruning: the smallest weights become zero and stay zero through fine-tuning.

Zeros shrink the compressed file (see ``compressed_bytes``) and speed up runtimes with sparse kernels only; they save
no MACs elsewhere. Magnitude as the criterion: Han et al., "Learning both Weights and Connections", 2015.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from edgekit.compress.counting import parameters
from edgekit.compress.finetune import finetune, require_train_data
from edgekit.compress.layers import WEIGHTED, require_weighted
from edgekit.contracts import PassResult, Workload
from edgekit.errors import ConversionError
from edgekit.train.settings import TrainSettings

__all__ = ["UnstructuredPruning", "UnstructuredSettings"]


class UnstructuredSettings(BaseModel):
    """``sparsity`` is the share of all convolution and linear weights that become zero, 0 to 1 (biases stay).

    ``scope``: ``global`` ranks the weights of all layers together, ``layer`` takes the same share of each.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sparsity: float = Field(gt=0, lt=1)
    scope: Literal["global", "layer"] = "global"
    train: TrainSettings = TrainSettings()


class UnstructuredPruning:
    """Sets the smallest weights to zero; ``changed`` has the share of zeros before and after."""

    name = "unstructured"
    settings = UnstructuredSettings

    def requires(self, workload: Workload, settings: UnstructuredSettings) -> None:
        """Raises where there is no weight to prune, or no ``train_data()`` for the epochs asked for."""
        require_weighted(workload, self.name)
        require_train_data(workload, settings.train, self.name)

    def run(self, workload: Workload, settings: UnstructuredSettings) -> PassResult:
        """The pruned and fine-tuned copy of the workload's module."""
        module = copy.deepcopy(workload.module)
        weights = _weights(module)
        before = _zero_share(module)
        keep = _masks(weights, settings)

        def apply() -> None:
            with torch.no_grad():
                for weight, mask in zip(weights, keep, strict=True):
                    weight.mul_(mask)

        apply()
        trained = finetune(module, workload, settings.train, after_step=apply)
        return PassResult(module, {
            "weights_covered": sum(w.numel() for w in weights), "parameters_before": parameters(workload.module),
            "parameters_after": parameters(module), "zero_share_before": before,
            "zero_share_after": _zero_share(module), **trained})

    def ensures(self, before: nn.Module, after: PassResult, settings: UnstructuredSettings) -> None:
        """Raises ConversionError where fewer weights are zero than asked for, up to one a layer for rounding."""
        weights = _weights(after.module)
        covered, zeros = sum(w.numel() for w in weights), sum(int((w == 0).sum()) for w in weights)
        if zeros < settings.sparsity * covered - len(weights):
            raise ConversionError(
                "compress-not-reached", f"sparsity {zeros / covered:.3f} was reached, {settings.sparsity} asked for",
                cause="weights that the pass had set to zero were changed afterwards",
                next="check for modules that rebuild their weights in forward (parametrizations, weight norm)")


def _weights(module: nn.Module) -> list[torch.Tensor]:
    """Weights of convolutions and linear layers, tied ones once."""
    found: dict[int, torch.Tensor] = {id(m.weight): m.weight for m in module.modules() if isinstance(m, WEIGHTED)}
    return list(found.values())


def _zero_share(module: nn.Module) -> float:
    weights = _weights(module)
    return sum(int((w == 0).sum()) for w in weights) / sum(w.numel() for w in weights)


def _masks(weights: list[torch.Tensor], settings: UnstructuredSettings) -> list[torch.Tensor]:
    """For each weight a mask like it: 0 for the smallest magnitudes, as many as asked for exactly, 1 elsewhere."""
    magnitudes = [w.detach().abs().flatten() for w in weights]
    scopes: dict[str, Callable[[], torch.Tensor]] = {
        "global": lambda: _keep(torch.cat(magnitudes), settings.sparsity),
        "layer": lambda: torch.cat([_keep(m, settings.sparsity) for m in magnitudes]),
    }
    parts = torch.split(scopes[settings.scope](), [m.numel() for m in magnitudes])
    return [part.view_as(weight) for part, weight in zip(parts, weights, strict=True)]


def _keep(magnitude: torch.Tensor, sparsity: float) -> torch.Tensor:
    mask = torch.ones_like(magnitude)
    mask[torch.topk(magnitude, round(sparsity * magnitude.numel()), largest=False).indices] = 0
    return mask

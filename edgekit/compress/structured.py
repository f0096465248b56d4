"""Structured pruning: whole channels leave, with all that depends on them, so that every runtime has less to do.

Dependencies between layers as in Fang et al., "DepGraph: Towards Any Structural Pruning", 2023.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any, Literal

import torch
import torch_pruning
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from edgekit.compress import channels
from edgekit.compress.counting import macs, parameters
from edgekit.compress.finetune import finetune, require_train_data
from edgekit.compress.layers import require_weighted
from edgekit.compress.trace import graph_of
from edgekit.contracts import PassResult, Workload
from edgekit.errors import ConversionError, WorkloadError
from edgekit.train.settings import TrainSettings
from edgekit.train.trainer import accumulate_gradients

__all__ = ["StructuredPruning", "StructuredSettings"]

_IMPORTANCE: dict[str, Callable[[], Any]] = {
    "l1": lambda: torch_pruning.importance.GroupMagnitudeImportance(p=1),
    "l2": lambda: torch_pruning.importance.GroupMagnitudeImportance(p=2),
    "taylor": torch_pruning.importance.GroupTaylorImportance,
    "random": torch_pruning.importance.RandomImportance,
}
_TAYLOR_BATCHES = 16


class StructuredSettings(BaseModel):
    """``ratio`` is the share of channels to remove, 0 to 1; about (1 - ratio)^2 of the MACs stay.

    ``scope``: ``layer`` takes that share of each group of coupled layers, ``global`` ranks the channels of all groups
    together and takes at most ``max_ratio`` of one. ``importance`` decides which go: ``l1`` and ``l2`` (norms of the
    weights), ``taylor`` (estimated change of the loss, needs ``train_data()``) or ``random``. What remains of a group
    is a multiple of ``round_to`` (8 suits the vector units), so a small layer may stay whole.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    ratio: float = Field(gt=0, lt=1)
    importance: Literal["l1", "l2", "taylor", "random"] = "l2"
    scope: Literal["layer", "global"] = "layer"
    max_ratio: float = Field(default=0.8, gt=0, lt=1)
    round_to: int = Field(default=8, ge=1)
    train: TrainSettings = TrainSettings()


class StructuredPruning:
    """Removes channels and fine-tunes; ``changed`` has MACs and parameters before and after, and what stayed whole."""

    name = "structured"
    settings = StructuredSettings

    def requires(self, workload: Workload, settings: StructuredSettings) -> None:
        """Raises where there is no layer with channels, or no ``train_data()`` for what was asked."""
        require_weighted(workload, self.name)
        if settings.importance == "taylor" and workload.train_data is None:
            raise WorkloadError("compress-no-train-data", "importance 'taylor' needs gradients on training data",
                                where=str(workload.source), cause="the workload defines no train_data()",
                                next="define train_data(), or choose importance l1 or l2")
        require_train_data(workload, settings.train, self.name)

    def run(self, workload: Workload, settings: StructuredSettings) -> PassResult:
        """The pruned and fine-tuned copy of the workload's module.

        Raises ConversionError where no channel can go, with each group's reason.
        """
        module = workload.module
        example = tuple(t.clone() for t in workload.example)  # forward() may write to them
        importance = _importance(workload, settings)
        whole = {group.root: channels.probe(module, example, group) for group in importance}
        free = {group: scores for group, scores in importance.items() if whole[group.root] is None}
        chosen = _choose(free, settings)
        if not chosen:
            raise _nothing_to_cut({root: reason for root, reason in whole.items() if reason}, bool(free), settings)
        removal = channels.remove(module, example, chosen)
        if removal.module is None:
            raise ConversionError("compress-failed", "the channels can go group by group, but not all together",
                                  where=", ".join(chosen), cause=removal.reason, next="lower ratio in the recipe")
        trained = finetune(removal.module, workload, settings.train)
        return PassResult(removal.module.eval(), {
            "macs_before": macs(module, example), "macs_after": macs(removal.module, example),
            "parameters_before": parameters(module), "parameters_after": parameters(removal.module),
            "channels_before": sum(group.channels for group in importance),
            "channels_removed": sum(len(idxs) for idxs in chosen.values()),
            "groups_pruned": len(chosen), "groups_whole": len(importance) - len(chosen), **trained})

    def ensures(self, before: nn.Module, after: PassResult, settings: StructuredSettings) -> None:
        """Raises ConversionError where MACs or parameters did not fall, or the original was changed."""
        changed = after.changed
        if changed["macs_after"] >= changed["macs_before"] or parameters(after.module) >= parameters(before):
            raise ConversionError("compress-not-reached", "pruning did not reduce the model's MACs and parameters",
                                  cause=f"{changed['macs_before']:.0f} MACs before, {changed['macs_after']:.0f} after",
                                  next="raise ratio, or lower round_to, in the recipe")


def _importance(workload: Workload, settings: StructuredSettings) -> dict[channels.Group, torch.Tensor]:
    """For each group the importance of each channel of a division, summed over divisions; float32."""
    module = copy.deepcopy(workload.module).eval()
    graph = graph_of(module, workload.example)
    if settings.importance == "taylor" and workload.train_data is not None:
        accumulate_gradients(module, workload.train_data, workload.loss, _TAYLOR_BATCHES, settings.train.seed)
    estimate = _IMPORTANCE[settings.importance]()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.train.seed)
        return {group: estimate(whole).detach().float().view(group.divisions, -1).mean(0)
                for group, whole in channels.find_groups(graph)}


def _choose(importance: dict[channels.Group, torch.Tensor], settings: StructuredSettings) -> dict[str, list[int]]:
    """The output channels that each root layer loses."""
    threshold = torch.cat(list(importance.values())).quantile(settings.ratio) if importance else torch.tensor(0.0)
    counts: dict[str, Callable[[torch.Tensor], float]] = {
        "layer": lambda scores: settings.ratio * len(scores),
        "global": lambda scores: min(int((scores <= threshold).sum()), settings.max_ratio * len(scores)),
    }
    chosen = {}
    for group, scores in importance.items():
        part = len(scores)
        left = _round((part - counts[settings.scope](scores)) * group.divisions, settings.round_to, group)
        drop = scores.argsort(stable=True)[:part - left // group.divisions].tolist()
        if drop:
            chosen[group.root] = sorted(division * part + i for division in range(group.divisions) for i in drop)
    return chosen


def _round(left: float, round_to: int, group: channels.Group) -> int:
    """The multiple of ``round_to`` and of the group's divisions that is nearest to ``left``; all of it if too small."""
    step = math.lcm(round_to, group.divisions)
    return min(group.channels, max(step, round(left / step) * step))


def _nothing_to_cut(reasons: dict[str, str], rounded_away: bool, settings: StructuredSettings) -> ConversionError:
    listed = "; ".join(f"{root or '<top>'}: {reason}" for root, reason in list(reasons.items())[:8])
    if rounded_away:
        cause = f"ratio {settings.ratio} is less than a step of round_to {settings.round_to} in every group"
        return ConversionError("compress-nothing-to-cut", "no channel was removed", cause=cause,
                               next="raise ratio, or lower round_to, in the recipe")
    return ConversionError("compress-nothing-to-cut", "no channel of the model can be removed", cause=listed,
                           next="use the pass `unstructured`, or write forward() without fixed channel counts")

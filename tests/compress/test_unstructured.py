"""Magnitude pruning: as many zeros as asked for, the smallest weights, kept through fine-tuning."""

from __future__ import annotations

import modules
import pytest
import torch
from torch import nn

from edgekit.compress.unstructured import UnstructuredPruning, UnstructuredSettings
from edgekit.contracts import PassResult
from edgekit.errors import ConversionError, WorkloadError
from edgekit.train.settings import TrainSettings

UNTRAINED = TrainSettings(epochs=0)


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_sparsity_is_reached_and_kept_through_fine_tuning(scope: str) -> None:
    module = modules.build(lambda: modules.Residual(modules.depthwise()))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    settings = UnstructuredSettings(sparsity=0.6, scope=scope, train=TrainSettings(epochs=2, lr=0.01))
    pruning, workload = UnstructuredPruning(), modules.workload(module)
    pruning.requires(workload, settings)
    result = pruning.run(workload, settings)
    pruning.ensures(module, result, settings)
    assert result.changed["zero_share_after"] == pytest.approx(0.6, abs=0.01)
    assert result.changed["zero_share_before"] == 0
    assert result.changed["train_steps"] == 8
    assert not torch.equal(result.module.head.weight, module.head.weight)  # it did train
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    if scope == "layer":
        for m in result.module.modules():
            if isinstance(m, nn.Conv2d | nn.Linear):
                assert (m.weight == 0).float().mean().item() == pytest.approx(0.6, abs=1 / m.weight.numel() + 1e-6)


def test_the_smallest_weights_become_zero() -> None:
    module = modules.build(nn.Identity)
    pruned = UnstructuredPruning().run(modules.workload(module), UnstructuredSettings(sparsity=0.5, train=UNTRAINED))
    weights = torch.cat([module.stem[0].weight.flatten(), module.head.weight.flatten()]).abs()
    kept = torch.cat([pruned.module.stem[0].weight.flatten(), pruned.module.head.weight.flatten()]) != 0
    assert weights[kept].min() >= weights[~kept].max()
    assert torch.equal(pruned.module.stem[0].bias, module.stem[0].bias)


def test_tied_weights_count_once() -> None:
    first, second = nn.Linear(8, 8), nn.Linear(8, 8)
    second.weight = first.weight
    result = UnstructuredPruning().run(modules.workload(nn.Sequential(first, second)),
                                       UnstructuredSettings(sparsity=0.5, train=UNTRAINED))
    assert result.changed["weights_covered"] == 64
    assert result.module[0].weight is result.module[1].weight


def test_what_is_missing_is_said() -> None:
    with pytest.raises(WorkloadError):
        UnstructuredPruning().requires(modules.workload(nn.Linear(2, 2), data=None), UnstructuredSettings(sparsity=0.5))
    with pytest.raises(ConversionError):
        UnstructuredPruning().requires(modules.workload(nn.ReLU()), UnstructuredSettings(sparsity=0.5))


def test_ensures_counts_the_zeros_that_are_there() -> None:
    module = modules.build(nn.Identity)
    with pytest.raises(ConversionError) as caught:
        UnstructuredPruning().ensures(module, PassResult(module, {"zero_share_after": 0.5}),
                                      UnstructuredSettings(sparsity=0.5))
    assert caught.value.code == "compress-not-reached"

"""Channel pruning: what leaves, what must stay, and that nothing else changes."""

from __future__ import annotations

import copy
import json

import modules
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from edgekit.compress.channels import find_groups, probe, remove
from edgekit.compress.counting import macs, parameters
from edgekit.compress.state import restore_state, save_state
from edgekit.compress.structured import StructuredPruning, StructuredSettings
from edgekit.compress.trace import graph_of
from edgekit.contracts import PassResult
from edgekit.errors import ConversionError, WorkloadError
from edgekit.train.settings import TrainSettings

UNTRAINED = TrainSettings(epochs=0)
BODIES = {
    "residual": lambda: modules.Residual(nn.Sequential(nn.Conv2d(16, 16, 3, 1, 1), nn.ReLU(), nn.Conv2d(16, 16, 1))),
    "depthwise": lambda: modules.Residual(modules.depthwise()),
    "gate": lambda: nn.Sequential(modules.depthwise(), modules.Gate(16), nn.Conv2d(16, 16, 1)),
    "shuffle": modules.Shuffle,
    "grouped": modules.grouped,
    "group norm": modules.normed,
}


def reasons(module: nn.Module) -> dict[str, str | None]:
    """For each group's root the reason why it must stay whole."""
    graph = graph_of(copy.deepcopy(module), modules.EXAMPLE)
    return {group.root: probe(module, modules.EXAMPLE, group) for group, _ in find_groups(graph)}


@pytest.mark.parametrize("scope", ["layer", "global"])
@pytest.mark.parametrize("body", BODIES)
def test_macs_fall_and_shapes_stay(body: str, scope: str) -> None:
    module = modules.build(BODIES[body])
    before = {name: value.clone() for name, value in module.state_dict().items()}
    settings = StructuredSettings(ratio=0.4, scope=scope, round_to=4, train=UNTRAINED)
    pruning, workload = StructuredPruning(), modules.workload(module)
    pruning.requires(workload, settings)
    result = pruning.run(workload, settings)
    pruning.ensures(module, result, settings)

    assert result.changed["macs_after"] == macs(result.module, modules.EXAMPLE) < macs(module, modules.EXAMPLE)
    assert result.changed["parameters_after"] == parameters(result.module) < parameters(module)
    assert result.module(torch.randn(5, 3, 8, 8)).shape == (5, 4)
    assert not any(m.training for m in result.module.modules())
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    json.dumps(dict(result.changed), allow_nan=False)


def test_widths_keep_the_asked_multiple() -> None:
    module = modules.build(lambda: modules.Residual(modules.depthwise(40)))
    settings = StructuredSettings(ratio=0.4, round_to=8, train=UNTRAINED)
    pruned = StructuredPruning().run(modules.workload(module), settings).module
    assert {m.out_channels for m in pruned.modules() if isinstance(m, nn.Conv2d)} == {8, 24}
    assert pruned.body.inner[3].groups == 24


def test_the_least_important_channels_leave() -> None:
    module = modules.build(nn.Identity)
    with torch.no_grad():
        module.stem[0].weight[4:12] *= 1e-3
        module.stem[1].weight[4:12] *= 1e-3
        module.head.weight[:, 4:12] *= 1e-3
    kept = module.stem[0].weight[[0, 1, 2, 3, 12, 13, 14, 15]]
    for importance in ("l1", "l2", "taylor"):
        settings = StructuredSettings(ratio=0.5, importance=importance, train=UNTRAINED)
        pruned = StructuredPruning().run(modules.workload(module), settings).module
        torch.testing.assert_close(pruned.stem[0].weight, kept)


def test_random_choice_repeats_with_the_seed() -> None:
    module = modules.build(nn.Identity)

    def kept(seed: int) -> torch.Tensor:
        settings = StructuredSettings(ratio=0.5, importance="random", train=TrainSettings(epochs=0, seed=seed))
        return StructuredPruning().run(modules.workload(module), settings).module.stem[0].weight

    assert torch.equal(kept(1), kept(1))
    assert not torch.equal(kept(1), kept(2))


def test_global_ranking_takes_no_more_than_max_ratio() -> None:
    module = modules.build(lambda: modules.Residual(modules.depthwise()))
    settings = StructuredSettings(ratio=0.9, scope="global", max_ratio=0.25, round_to=1, train=UNTRAINED)
    pruned = StructuredPruning().run(modules.workload(module), settings).module
    assert (pruned.stem[0].out_channels, pruned.body.inner[0].out_channels) == (12, 18)


def test_removed_channels_have_the_effect_of_unread_ones() -> None:
    module = modules.build(lambda: modules.Residual(modules.depthwise()))
    removal = remove(module, modules.EXAMPLE, {"body.inner.3": [1, 5, 20]})
    assert removal.module is not None
    masked = copy.deepcopy(module)
    with torch.no_grad():
        masked.body.inner[6].weight[:, [1, 5, 20]] = 0
        x = torch.randn(2, 3, 8, 8)
        torch.testing.assert_close(removal.module(x), masked(x))


def test_what_a_shuffle_moves_stays_whole_and_what_it_does_not_can_leave() -> None:
    found = reasons(modules.build(modules.Shuffle))
    assert found["body.inner.0"] is None
    assert found["body.inner.3"] is not None
    assert "output" in (found["head"] or "")


@pytest.mark.parametrize(("body", "reason"), [(modules.FixedShapes, "forward fails"), (modules.Reversed, "moves")])
def test_nothing_to_cut_is_said_with_the_reasons(body: type[nn.Module], reason: str) -> None:
    module = modules.build(body)
    with pytest.raises(ConversionError) as caught:
        StructuredPruning().run(modules.workload(module), StructuredSettings(ratio=0.5, train=UNTRAINED))
    assert caught.value.code == "compress-nothing-to-cut"
    assert reason in (caught.value.cause or "")
    assert "head: its channels are the model's output" in (caught.value.cause or "")


def test_a_ratio_below_one_step_is_said() -> None:
    module = modules.build(nn.Identity)
    with pytest.raises(ConversionError) as caught:
        StructuredPruning().run(modules.workload(module), StructuredSettings(ratio=0.1, train=UNTRAINED))
    assert "round_to" in (caught.value.next or "")


def test_a_forward_that_cannot_be_traced_is_said() -> None:
    class Detached(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                return x * 2

    module = modules.build(nn.Identity)
    with pytest.raises(ConversionError) as caught:
        StructuredPruning().run(modules.workload(nn.Sequential(module, Detached())),
                                StructuredSettings(ratio=0.5, train=UNTRAINED))
    assert caught.value.code in ("compress-cannot-trace", "compress-nothing-to-cut")


def test_fine_tuning_brings_the_loss_down() -> None:
    module = modules.build(lambda: modules.Residual(modules.depthwise()))
    settings = StructuredSettings(ratio=0.4, round_to=4, train=TrainSettings(epochs=4, lr=0.01))
    changed = StructuredPruning().run(modules.workload(module), settings).changed
    assert changed["train_steps"] == 16
    assert changed["train_last_loss"] < changed["train_first_loss"]


def test_training_without_data_is_refused() -> None:
    workload = modules.workload(modules.build(nn.Identity), data=None)
    for settings in (StructuredSettings(ratio=0.5),
                     StructuredSettings(ratio=0.5, importance="taylor", train=UNTRAINED)):
        with pytest.raises(WorkloadError) as caught:
            StructuredPruning().requires(workload, settings)
        assert caught.value.code == "compress-no-train-data"
    StructuredPruning().requires(workload, StructuredSettings(ratio=0.5, train=UNTRAINED))
    with pytest.raises(ConversionError):
        StructuredPruning().requires(modules.workload(nn.ReLU()), StructuredSettings(ratio=0.5, train=UNTRAINED))


def test_ensures_refuses_an_unchanged_module() -> None:
    module = modules.build(nn.Identity)
    with pytest.raises(ConversionError) as caught:
        StructuredPruning().ensures(module, PassResult(module, {"macs_before": 5, "macs_after": 5}),
                                    StructuredSettings(ratio=0.5))
    assert caught.value.code == "compress-not-reached"


def test_the_pruned_module_survives_the_disk(tmp_path) -> None:  # type: ignore[no-untyped-def]
    module = modules.build(lambda: modules.Residual(modules.depthwise()))
    settings = StructuredSettings(ratio=0.4, round_to=4, train=UNTRAINED)
    result = StructuredPruning().run(modules.workload(module), settings)
    save_state(result.module, tmp_path / "module.safetensors", dict(result.changed))
    again, facts = restore_state(module, tmp_path / "module.safetensors")
    x = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        assert torch.equal(again(x), result.module(x))
    assert facts == result.changed


@pytest.mark.parametrize("mistake", [{"ratio": 1.0}, {"ratio": 0.5, "importanc": "l1"}, {}])
def test_settings_are_strict(mistake: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        StructuredSettings.model_validate(mistake)

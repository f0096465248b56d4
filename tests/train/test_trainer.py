"""The trainer: it learns, repeats, cleans up behind itself and names what is wrong."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from edgekit.errors import WorkloadError
from edgekit.train.settings import TrainSettings
from edgekit.train.trainer import accumulate_gradients, fit


def model() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 2)).eval()


def batches(count: int = 8):
    generator = torch.Generator().manual_seed(0)
    for _ in range(count):
        x = torch.randn(16, 4, generator=generator)
        yield (x,), (x.sum(1) > 0).long()


@pytest.mark.parametrize("settings", [TrainSettings(epochs=5, lr=0.01),
                                      TrainSettings(epochs=5, lr=0.1, optimizer="sgd", schedule="constant")])
def test_loss_falls_and_modes_come_back(settings: TrainSettings) -> None:
    module = model()
    module[1].train()  # as the user left it
    seen: list[tuple[int, int, float]] = []
    result = fit(module, batches, None, settings, progress=lambda *state: seen.append(state))
    assert result.last_loss < 0.7 * result.first_loss
    assert (result.epochs, result.steps) == (5, 40)
    assert [state[:2] for state in seen] == [(epoch, 5) for epoch in range(1, 6)]
    assert seen[-1][2] == result.last_loss
    assert [m.training for m in module] == [False, True, False, False, False]
    assert all(p.grad is None for p in module.parameters())


def test_same_seed_gives_the_same_weights_and_global_state_is_left_alone() -> None:
    def trained(seed: int) -> list[torch.Tensor]:
        module = model()
        fit(module, batches, None, TrainSettings(epochs=2, seed=seed))
        return [p.detach() for p in module.parameters()]

    state = torch.random.get_rng_state()
    first, again = trained(3), trained(3)
    torch.random.set_rng_state(state)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, trained(4), strict=True))  # dropout differs

    module, state = model(), torch.random.get_rng_state()
    fit(module, batches, None, TrainSettings(epochs=1))
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("sized", [True, False])
def test_cosine_falls_to_zero_over_all_epochs(sized: bool) -> None:
    rates: list[float] = []
    module = nn.Linear(4, 2)
    original = torch.optim.SGD.step

    class Recorder(torch.optim.SGD):
        def step(self, *args, **kwargs):  # type: ignore[no-untyped-def]
            rates.append(self.param_groups[0]["lr"])
            return original(self, *args, **kwargs)

    from edgekit.train import trainer
    table = dict(trainer._OPTIMIZERS)
    trainer._OPTIMIZERS["sgd"] = lambda p, s: Recorder(p, lr=s.lr)
    try:
        fit(module, (lambda: list(batches())) if sized else batches, None,
            TrainSettings(epochs=4, lr=0.1, optimizer="sgd"))
    finally:
        trainer._OPTIMIZERS.update(table)
    assert rates[0] == 0.1
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.001
    assert rates[1] < 0.1, "from the first epoch on"


def test_max_batches_after_step_and_single_tensor_inputs() -> None:
    module, calls = nn.Linear(4, 2), []
    result = fit(module, lambda: ((x, y) for (x,), y in batches()), None, TrainSettings(epochs=2, max_batches=3),
                 after_step=lambda: calls.append(1))
    assert result.steps == len(calls) == 6


def test_no_epochs_changes_nothing() -> None:
    module = model()
    before = [p.clone() for p in module.parameters()]
    assert fit(module, batches, None, TrainSettings(epochs=0)).numbers() == {}
    assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))


def test_frozen_parameters_stay() -> None:
    module = model()
    module[0].requires_grad_(False)
    before = module[0].weight.clone()
    fit(module, batches, None, TrainSettings(epochs=1))
    assert torch.equal(before, module[0].weight)
    with pytest.raises(WorkloadError, match="no parameter") as caught:
        fit(module.requires_grad_(False), batches, None, TrainSettings(epochs=1))
    assert caught.value.code == "train-nothing-trainable"


def nan_batches():
    yield from batches(2)
    yield (torch.full((16, 4), float("nan")),), torch.zeros(16).long()


@pytest.mark.parametrize(("data", "loss", "code", "where"), [
    (nan_batches, None, "train-loss-not-finite", "batch 3"),
    (list, None, "train-no-data", "train_data()"),
    (lambda: [((torch.zeros(2, 7),), torch.zeros(2).long())], None, "train-step-failed", "batch 1"),
    (lambda: [torch.zeros(3, 4)], None, "train-step-failed", "batch 1"),
    (batches, lambda outputs, target: outputs, "train-step-failed", "batch 1"),
    (batches, lambda outputs, target: torch.tensor(1.0), "train-step-failed", "batch 1"),
])
def test_mistakes_are_named(data, loss, code: str, where: str) -> None:
    module = model()
    with pytest.raises(WorkloadError) as caught:
        fit(module, data, loss, TrainSettings(epochs=1))
    assert caught.value.code == code
    assert where in (caught.value.where or "")
    assert caught.value.next
    assert not any(m.training for m in module.modules())


def test_accumulated_gradients_are_the_sum_over_batches() -> None:
    module = model()
    accumulate_gradients(module, batches, None, 2)
    expected = torch.zeros(2)
    for (x,), y in batches(2):
        expected += torch.autograd.grad(nn.functional.cross_entropy(module(x), y), module[4].bias)[0]
    torch.testing.assert_close(module[4].bias.grad, expected)


def test_settings_refuse_unknown_keys() -> None:
    with pytest.raises(ValidationError):
        TrainSettings.model_validate({"epoch": 3})

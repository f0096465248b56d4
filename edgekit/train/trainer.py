"""One training loop for all that trains: fine-tuning after a pass, distillation, quantisation-aware training."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable, Sized
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from edgekit.errors import EdgekitError, WorkloadError
from edgekit.train.settings import TrainSettings

__all__ = ["Batches", "Loss", "TrainResult", "accumulate_gradients", "cross_entropy", "fit"]

# Called once an epoch; yields (inputs, target), inputs being one tensor or a tuple of the model's positional inputs.
Batches = Callable[[], Iterable[tuple[Any, Any]]]
# loss(outputs, target) -> scalar tensor
Loss = Callable[[Any, Any], torch.Tensor]

_OPTIMIZERS: dict[str, Callable[[list[nn.Parameter], TrainSettings], torch.optim.Optimizer]] = {
    "adamw": lambda p, s: torch.optim.AdamW(p, lr=s.lr, weight_decay=s.weight_decay),
    "sgd": lambda p, s: torch.optim.SGD(p, lr=s.lr, weight_decay=s.weight_decay, momentum=s.momentum),
}
# share of the training done, 0 to 1 -> factor of the peak learning rate
_SCHEDULES: dict[str, Callable[[float], float]] = {
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
    "constant": lambda done: 1.0,
}


@dataclass(frozen=True)
class TrainResult:
    """What training did: mean loss of the first and of the last epoch (NaN where nothing ran), steps and seconds."""

    epochs: int
    steps: int
    first_loss: float
    last_loss: float
    seconds: float

    def numbers(self) -> dict[str, float]:
        """The same as plain numbers, keys prefixed ``train_``, for a pass's report; empty where nothing ran."""
        if not self.epochs:
            return {}
        return {f"train_{key}": float(value) for key, value in asdict(self).items()}


def fit(module: nn.Module, batches: Batches, loss: Loss | None, settings: TrainSettings, *,
        progress: Callable[[int, int, float], None] | None = None,
        after_step: Callable[[], None] | None = None) -> TrainResult:
    """Trains ``module`` in place and leaves every submodule in the mode (train or eval) it was found in.

    The same seed, batches and thread count give the same weights; torch's global random state is left as it was.

    Args:
        module: takes a batch's inputs positionally.
        batches: called once an epoch, and once before where a schedule has to know how many there are.
        loss: ``loss(outputs, target)``; None is cross-entropy on the (first) output.
        progress: called after each epoch with the epoch (from 1), the number of epochs and its mean loss.
        after_step: called after each optimizer step, e.g. to put a sparsity mask back on the weights.

    Raises:
        WorkloadError: no batches, nothing trainable, a batch that does not fit, or a loss that is not finite.
    """
    started = time.perf_counter()
    parameters = [p for p in module.parameters() if p.requires_grad]
    if settings.epochs and not parameters:
        raise WorkloadError("train-nothing-trainable", "the module has no parameter that requires a gradient",
                            next="set requires_grad on what should train in load(), or train 0 epochs")
    modes = {m: m.training for m in module.modules()}
    losses: list[float] = []
    steps = 0
    try:
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.manual_seed(settings.seed)
            module.train()
            optimizer = _OPTIMIZERS[settings.optimizer](parameters, settings) if parameters else None
            length = _length(batches, settings) if settings.epochs and settings.schedule != "constant" else 1
            for epoch in range(settings.epochs):
                assert optimizer is not None  # checked above; for the type checker
                mean, count = _epoch(module, batches, loss or cross_entropy, settings, optimizer, epoch, length,
                                     after_step)
                losses.append(mean)
                steps += count
                if progress is not None:
                    progress(epoch + 1, settings.epochs, mean)
    finally:
        for submodule, mode in modes.items():
            submodule.training = mode
        for p in parameters:
            p.grad = None
    ends = (losses[0], losses[-1]) if losses else (math.nan, math.nan)
    return TrainResult(settings.epochs, steps, *ends, seconds=time.perf_counter() - started)


def accumulate_gradients(module: nn.Module, batches: Batches, loss: Loss | None, count: int, seed: int = 0) -> None:
    """Adds the gradients of the first ``count`` batches to the parameters' ``grad``, in the module's present mode."""
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        step = 0
        for step, batch in enumerate(itertools.islice(batches(), count), start=1):
            torch.autograd.backward(_loss_of(module, batch, loss or cross_entropy, 0, step))
    if not step:
        raise _no_data()


def cross_entropy(outputs: Any, target: Any) -> torch.Tensor:
    """The default loss: cross-entropy of the first output (logits, NxC) against class indices (N)."""
    logits = outputs[0] if isinstance(outputs, tuple | list) else outputs
    return nn.functional.cross_entropy(logits, target)


def _length(batches: Batches, settings: TrainSettings) -> int:
    """How many steps an epoch has; counted by drawing one epoch where the iterable has no length."""
    with torch.random.fork_rng(devices=[]):
        data = batches()
        if isinstance(data, Sized):
            return min(len(data), settings.max_batches or len(data))
        return sum(1 for _ in itertools.islice(data, settings.max_batches))


def _epoch(module: nn.Module, batches: Batches, loss: Loss, settings: TrainSettings,
           optimizer: torch.optim.Optimizer, epoch: int, length: int,
           after_step: Callable[[], None] | None) -> tuple[float, int]:
    """One pass over the data: mean loss and number of steps. ``length`` is how many steps are expected."""
    total, step = 0.0, 0
    for step, batch in enumerate(itertools.islice(batches(), settings.max_batches), start=1):
        done = (epoch + min((step - 1) / max(length, 1), 1.0)) / settings.epochs
        for group in optimizer.param_groups:
            group["lr"] = settings.lr * _SCHEDULES[settings.schedule](done)
        value = _loss_of(module, batch, loss, epoch, step)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(value)
        optimizer.step()
        if after_step is not None:
            after_step()
        total += value.item()
    if not step:
        raise _no_data()
    return total / step, step


def _no_data() -> WorkloadError:
    return WorkloadError("train-no-data", "train_data() yielded no batch", where="train_data()",
                         cause="the iterable was empty; an exhausted generator yields nothing the second time",
                         next="let train_data() return a fresh iterable at each call")


def _loss_of(module: nn.Module, batch: Any, loss: Loss, epoch: int, step: int) -> torch.Tensor:
    where = f"train_data(), epoch {epoch + 1}, batch {step}"
    try:
        inputs, target = batch
        value = loss(module(*inputs) if isinstance(inputs, tuple | list) else module(inputs), target)
    except EdgekitError:
        raise
    except Exception as error:
        raise WorkloadError("train-step-failed", f"a training step failed: {type(error).__name__}: {error}",
                            where=where, cause="the batch does not fit the model or the loss",
                            next="yield (inputs, target) with inputs like example_inputs() and a target for the loss; "
                                 "define loss(outputs, target) where cross-entropy does not fit") from error
    if not (isinstance(value, torch.Tensor) and value.numel() == 1 and value.requires_grad):
        raise WorkloadError("train-step-failed", "the loss is not a scalar tensor with a gradient", where=where,
                            next="return a scalar tensor computed from the outputs from loss(outputs, target)")
    if not torch.isfinite(value):
        raise WorkloadError("train-loss-not-finite", f"the loss became {value.item()}", where=where,
                            cause="the learning rate is too high, or a batch holds NaN or infinite values",
                            next="lower train.lr in the recipe, and check the batch named above")
    return value

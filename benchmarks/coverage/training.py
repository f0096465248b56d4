"""Trains a network of the zoo once; checkpoints are cached by what decides them."""

from __future__ import annotations

import hashlib
import inspect
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from coverage import hub, tasks, vision
from coverage.zoo import ZOO

BATCH = 48


def key(name: str, fold: int) -> str:
    """Hash of the definitions, the task's data code, the schedule and torch's version."""
    network = ZOO[name]
    sources = "".join(inspect.getsource(m) for m in (hub, tasks, vision))
    text = f"{name}|{network.steps}|{network.rate}|{BATCH}|{torch.__version__}|{fold}|{sources}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def score(module: nn.Module, task: tasks.Task) -> float:
    """Percent of the test items that the float module gets right."""
    with torch.inference_mode():
        return 100 * float(task.correct(module(*task.test), task.test_target).mean())


def trained(name: str, fold: int, folder: Path) -> nn.Module:
    """The trained network in eval mode, from ``folder`` if it was trained there before."""
    network, task = ZOO[name], ZOO[name].task(fold)
    torch.manual_seed(0)
    module = network.build()
    file = folder / f"{name}-{fold}-{key(name, fold)}.safetensors"
    if file.is_file():
        module.load_state_dict(load_file(file), strict=False)
        return module.eval()
    _fit(module, task, network.steps, network.rate)
    folder.mkdir(parents=True, exist_ok=True)
    # Tied weights share memory; safetensors wants each tensor on its own.
    save_file({k: v.clone().contiguous() for k, v in module.state_dict().items()}, file)
    return module.eval()


def _pick(target: object, rows: torch.Tensor) -> object:
    return tuple(t[rows] for t in target) if isinstance(target, tuple) else target[rows]  # type: ignore[index]


def _fit(module: nn.Module, task: tasks.Task, steps: int, rate: float) -> None:
    optimizer = torch.optim.AdamW(module.parameters(), lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    generator = torch.Generator().manual_seed(1)
    for child in module.modules():
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
            child.momentum = 0.1  # some configurations forget all but the last batch
    module.train()
    for _ in range(steps):
        rows = torch.randint(0, len(task.train[0]), (BATCH,), generator=generator)
        loss = task.loss(module(*(t[rows] for t in task.train)), _pick(task.train_target, rows))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        schedule.step()

"""A recipe's compression passes, each from the cache where it ran before."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel

from edgekit.compress.registry import get_pass
from edgekit.compress.state import restore_state, save_state
from edgekit.contracts import Workload
from edgekit.pipeline.run import Run
from edgekit.train.settings import TrainSettings
from edgekit.types.report import PassReport
from edgekit.verify.fidelity import float_metric
from edgekit.workload.describer import Opaque, content_hash
from edgekit.workload.identity import identity

__all__ = ["compress"]


def compress(run: Run, workload: Workload,
             passes: Sequence[tuple[str, dict[str, Any]]]) -> tuple[tuple[PassReport, ...], float | None]:
    """Runs the named passes with their settings; ``workload.module`` becomes the compressed module.

    Returns what each did, and the metric of the module as it was: None where there is none, or nothing to run.
    """
    if not passes:
        return (), None
    with run.stage("evaluate"):
        before = float_metric(workload)
    return tuple(_run_pass(run, workload, name, settings) for name, settings in passes), before


def _run_pass(run: Run, workload: Workload, name: str, settings: dict[str, Any]) -> PassReport:
    """Runs one pass, or takes its result from the cache; ``workload.module`` becomes the compressed module."""
    compress_pass = get_pass(name)
    parsed = compress_pass.settings(**settings)
    compress_pass.requires(workload, parsed)
    facts = identity(workload)
    data = None if facts is None else _training_data(workload, parsed)
    key = None if facts is None or data is None else run.cache_key(
        f"compress:{name}", facts | {"training data": data}, parsed.model_dump(mode="json"))

    def make(folder: Path) -> None:
        result = compress_pass.run(workload, parsed)
        compress_pass.ensures(workload.module, result, parsed)
        save_state(result.module, folder / "module.safetensors", dict(result.changed))

    with run.stage(f"compress:{name}") as stage:
        folder = stage.cached(key, make)
        workload.module, changed = restore_state(workload.module, folder / "module.safetensors")
    return PassReport(name=name, settings=parsed.model_dump(mode="json"), changed=changed)


def _training_data(workload: Workload, settings: BaseModel) -> str | None:
    """Hash of an epoch of what a pass trains on, as it would be drawn: files that ``train_data()`` reads are in no
    other hash. None, with a warning, where a batch holds something that cannot be hashed."""
    train: TrainSettings | None = getattr(settings, "train", None)
    if workload.train_data is None or train is None:
        return ""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(train.seed)
        try:
            return content_hash(itertools.islice(workload.train_data(), train.max_batches))
        except Opaque as error:
            workload.warnings.append(f"the compressed model is not kept for later runs: train_data() yields a {error}")
            return None

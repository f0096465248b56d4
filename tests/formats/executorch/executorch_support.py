"""What this folder's tests share: a plan, an export, and how near the file comes to the module."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from small_nets import images, program_of
from torch import nn

from edgekit.contracts import Inputs, Program, QuantPlan
from edgekit.formats.executorch.format import ExecutorchFormat
from edgekit.types.artifact import Artifact
from edgekit.types.scheme import SCHEMES

FORMAT = ExecutorchFormat()


def plan_of(scheme: str, calibration: list[Inputs] | None = None, **more: object) -> QuantPlan:
    given = tuple(calibration or images(8, seed=1)) if SCHEMES[scheme].needs_calibration else ()
    return QuantPlan(scheme=SCHEMES[scheme], calibration=given, **more)  # type: ignore[arg-type]


def export(program: Program, plan: QuantPlan, folder: Path) -> tuple[Artifact, Path]:
    out = folder / "model.pte"
    return FORMAT.export(program, plan, out, folder), out


def sqnr_db(module: nn.Module, path: Path, inputs: list[Inputs]) -> float:
    """Over all outputs together."""
    session, signal, noise = FORMAT.load(path), 0.0, 1e-30
    for sample in inputs:
        with torch.no_grad():
            exact = module(*sample)
        for want, got in zip(exact if isinstance(exact, tuple) else (exact,),
                             session.run([t.numpy() for t in sample]), strict=True):
            signal += float((want.numpy().astype(np.float64) ** 2).sum())
            noise += float(((want.numpy() - got.astype(np.float64)) ** 2).sum())
    return 10 * np.log10(signal / noise)


def reached(module: nn.Module, scheme: str, inputs: list[Inputs], folder: Path, **more: object) -> tuple[
        float, Artifact, Path]:
    """SQNR in dB of ``module`` exported under ``scheme``, calibrated on ``inputs``."""
    module.eval()
    with torch.no_grad():
        result = module(*inputs[0])
    names = tuple(f"y{i}" for i in range(len(result))) if isinstance(result, tuple) else ("y",)
    artifact, path = export(program_of(module, inputs[0], output_names=names), plan_of(scheme, inputs, **more), folder)
    return sqnr_db(module, path, inputs), artifact, path

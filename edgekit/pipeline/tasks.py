"""What runs inside child processes: plain functions whose arguments and results are small enough for a pipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgekit.contracts import Inputs, QuantPlan
    from edgekit.types.artifact import Artifact
    from edgekit.types.graph import OpGraph

__all__ = ["EXPORT", "export_kwargs", "export_task", "load_calibration", "save_calibration", "warm_up"]

EXPORT = "edgekit.pipeline.tasks:export_task"


def save_calibration(inputs: Sequence[Inputs], file: Path) -> Path:
    """Writes calibration inputs once for all formats' children, instead of pickling megabytes into each pipe."""
    import torch
    torch.save([list(sample) for sample in inputs], file)
    return file


def load_calibration(file: Path) -> tuple[Inputs, ...]:
    """Memory-mapped, so children that run side by side share the pages."""
    import torch
    return tuple(tuple(sample) for sample in torch.load(file, weights_only=True, mmap=True))


def export_kwargs(format_name: str, program_folder: Path, plan: QuantPlan, calibration: Path | None, out: Path,
                  scratch: Path) -> dict[str, Any]:
    """Arguments for :data:`EXPORT`: the plan without its inputs, which ``calibration`` (a saved file) holds."""
    return {"format_name": format_name, "program_folder": program_folder, "out": out, "scratch": scratch,
            "plan": replace(plan, calibration=(), options=dict(plan.options)), "calibration": calibration}


def warm_up(format_name: str) -> None:
    """Imports what :func:`export_task` will need."""
    import torch.export  # noqa: F401

    from edgekit.formats.registry import get_format
    get_format(format_name).warm_up()


def export_task(format_name: str, program_folder: Path, plan: QuantPlan, calibration: Path | None, out: Path,
                scratch: Path) -> tuple[Artifact, OpGraph]:
    """Loads the program from disk (no user code is imported), exports it to one format and reads its graph back."""
    from edgekit.formats.registry import get_format
    from edgekit.workload.program_io import load_program
    scratch.mkdir(parents=True, exist_ok=True)
    inputs = load_calibration(calibration) if calibration else ()
    fmt = get_format(format_name)
    artifact = fmt.export(load_program(program_folder), replace(plan, calibration=inputs), out, scratch)
    return artifact, fmt.graph(out)

"""A calibration on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from edgekit.types.calibration import Calibration

__all__ = ["print_calibration"]


def print_calibration(found: Calibration, console: Console) -> None:
    """Prints each model's milliseconds, measured and predicted, then the errors and where it was written."""
    console.print(Text.assemble((found.device, "bold"), f" ({found.core}): {len(found.models)} measured models"))
    for model in found.models:
        threads = f"{model.threads} thread{'s' * (model.threads > 1)}"
        console.print(Text(f"  {model.measured_ms:>9.4g} ms [measured], {model.left_out_ms:.4g} ms [predicted, left "
                           f"out], {model.before_ms:.4g} ms [predicted before]  {model.artifact}, {threads}"))
    for artifact, reason in found.unusable.items():
        console.print(Text(f"  {artifact} is left out: {reason}", style="yellow"))
    console.print(Text(f"  error of a model left out: median {found.median_error:.1%} (before "
                       f"{found.median_error_before:.1%}); 90 % interval of estimates: a factor of "
                       f"{found.interval:.3g}"))
    console.print(Text(f"  written: {found.path}"))

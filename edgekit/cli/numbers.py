"""Numbers from the command line."""

from __future__ import annotations

import math

import click

__all__ = ["finite"]


def finite(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """An option's callback: Python reads ``nan`` and ``inf`` as numbers, but neither is a limit or fits into JSON."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is not a finite number", context, parameter)
    return value

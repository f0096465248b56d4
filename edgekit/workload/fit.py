"""Running the user's module once on its example inputs, to see early whether they fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from edgekit.contracts import Inputs
from edgekit.errors import WorkloadError
from edgekit.workload.origin import blame, lines_of_error, shown
from edgekit.workload.structure import describe
from edgekit.workload.user_code import user_error

__all__ = ["run_once"]


def run_once(module: nn.Module, example: Inputs, names: Sequence[str], *, by_name: bool, where: str | None) -> Any:
    """What ``forward`` returns for the example inputs, without gradients.

    Raises WorkloadError (``workload-inputs-do-not-fit``) with the inputs' shapes; ``where`` is the line of
    ``forward`` that raised, or else that of ``example_inputs``.
    """
    arguments = {name: value.clone() for name, value in zip(names, example, strict=True)}  # forward() may write to them
    try:
        with torch.no_grad():
            return module(**arguments) if by_name else module(*arguments.values())
    except (Exception, SystemExit) as error:
        raise _unfit(error, describe(arguments), where) from error


def _unfit(error: BaseException, shapes: str, where: str | None) -> WorkloadError:
    found = user_error(error, "workload-inputs-do-not-fit", "the example inputs do not fit forward()", fallback=where,
                       note=f"example inputs: {shapes}",
                       next="make example_inputs() return what forward() takes, in its order, with a batch dimension")
    lines = blame(lines_of_error(error))
    if where and lines and f"{shown(lines[-1][0])}:{lines[-1][1]}" != where:
        found.cause = f"{found.cause}, from {where}"
    return found

"""Capturing the model as the program that every format starts from."""

from __future__ import annotations

import contextlib
import copy
import inspect
import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from edgekit.contracts import Inputs, Program, Workload
from edgekit.errors import ConversionError, EdgekitError
from edgekit.workload.capture_errors import capture_error, refuse_data_dependent
from edgekit.workload.normalize import normalize_graph, normalize_module
from edgekit.workload.positional import flatten_graph_module
from edgekit.workload.rewrites import drop_assertions
from edgekit.workload.same import require_same
from edgekit.workload.sources import sources_of

__all__ = ["capture"]


def _dynamic(module_inputs: Inputs, enabled: bool) -> tuple[Inputs, Any]:
    """Inputs to trace with and ``dynamic_shapes``: torch fixes a dimension that it sees at size 1, so show it 2."""
    if not enabled:
        return module_inputs, None
    batch = torch.export.Dim("batch", min=1)
    doubled = tuple(torch.cat([t, t]) if t.shape[0] == 1 else t for t in module_inputs)
    return doubled, tuple({0: batch} for _ in doubled)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's remarks on its own tracing, and the graphs it prints on failure: what fails is raised."""
    disabled = logging.root.manager.disable
    nowhere = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(disabled)


def _export(module: nn.Module, inputs: Inputs, shapes: Any) -> torch.export.ExportedProgram:
    try:
        with torch.no_grad(), _quiet():
            if shapes is not None:
                shapes = _for_signature(module, shapes)
            return torch.export.export(module, inputs, dynamic_shapes=shapes, strict=False)
    except EdgekitError:
        raise
    except Exception as error:
        raise capture_error(error) from error


def _for_signature(module: nn.Module, shapes: tuple[Any, ...]) -> Any:
    """``*args`` takes its shapes as one tuple, named parameters one each."""
    kinds = [p.kind for p in inspect.signature(module.forward).parameters.values()]
    return (shapes,) if kinds and kinds[0] == inspect.Parameter.VAR_POSITIONAL else shapes


def capture(workload: Workload) -> Program:
    """Normalises the module and captures it with ``torch.export`` (not strict), batch dynamic where asked.

    Adds what the user should know to ``workload.warnings``. ``workload.module`` stays as it is. Raises
    ConversionError: ``capture-failed`` and its kin, which name the construct and the user's line, or
    ``normalize-changed-outputs`` where the program does not compute what the module does.
    """
    module = normalize_module(copy.deepcopy(workload.module), workload.example, workload.warnings)
    inputs, shapes = _dynamic(workload.example, workload.dynamic_batch)
    exported = _export(module, inputs, shapes)
    graph_module = flatten_graph_module(exported.module(check_guards=False))
    graph_module, changes = normalize_graph(graph_module)
    if changes or len(graph_module.state_dict()) < len(exported.state_dict):  # weights that the graph does not read
        exported = _export(graph_module, inputs, shapes)
    refuse_data_dependent(exported)
    if drop_assertions(exported.graph_module):  # capturing puts them in anew
        exported.graph_module.recompile()
    program = Program(
        name=workload.name, exported=exported, example=workload.example, input_names=workload.input_names,
        output_names=workload.output_names, dynamic_batch=workload.dynamic_batch,
        sources=sources_of(exported.graph))
    if len(exported.graph_signature.user_outputs) != len(workload.output_names):
        raise ConversionError("capture-outputs", "the captured program returns another number of outputs",
                              cause=f"{len(exported.graph_signature.user_outputs)} instead of "
                                    f"{len(workload.output_names)}",
                              next="return each tensor once from forward()")
    require_same(workload.module, exported.module(check_guards=False), workload.example)
    return program

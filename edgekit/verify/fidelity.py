"""Runs an artifact beside the float model: distances on shared inputs, and the workload's own metric."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from edgekit.contracts import Inputs, Predict, Session, Workload
from edgekit.errors import ConversionError, WorkloadError
from edgekit.types.fidelity import Fidelity
from edgekit.verify.compare import compare
from edgekit.verify.predictor import float_predictor, predictor

__all__ = ["Reference", "float_metric", "float_outputs", "float_reference", "measure_fidelity"]


@dataclass(frozen=True)
class Reference:
    """The float model's side: inputs, its outputs for each, where the inputs came from, and its metric.

    After compression the outputs are those of the compressed model; ``metric`` is that of the model as it was loaded.
    """

    inputs: tuple[Inputs, ...]
    outputs: tuple[tuple[np.ndarray, ...], ...]
    source: str
    metric: float | None
    metric_compressed: float | None = None


def _outputs(predict: Predict, inputs: Sequence[Inputs]) -> tuple[tuple[np.ndarray, ...], ...]:
    results = []
    for one in inputs:
        out = predict(*one)
        results.append(tuple(np.asarray(o.detach()) for o in ([out] if isinstance(out, torch.Tensor) else out)))
    return tuple(results)


def float_metric(workload: Workload) -> float | None:
    """The workload's metric of its float model; None without ``evaluate()``. Raises WorkloadError for NaN."""
    return _metric(workload, float_predictor(workload.module, workload.example, workload.input_names))


def _metric(workload: Workload, predict: Predict) -> float | None:
    if workload.evaluate is None:
        return None
    value = float(workload.evaluate(predict))
    if not np.isfinite(value):
        raise WorkloadError("metric-not-finite", f"evaluate() of {workload.name} returned {value}",
                            where=str(workload.source), next="return one finite number from evaluate(predict)")
    return value


def float_outputs(workload: Workload, inputs: Sequence[Inputs], source: str) -> tuple[tuple[np.ndarray, ...], ...]:
    """Outputs of the float model for each input. Raises WorkloadError where they are not finite."""
    single = float_predictor(workload.module, workload.example, workload.input_names, batch=False)
    outputs = _outputs(single, inputs)
    if not all(np.isfinite(o).all() for outs in outputs for o in outs if np.issubdtype(o.dtype, np.floating)):
        raise WorkloadError("float-output-not-finite", f"the float model {workload.name} returns NaN or infinity",
                            where=str(workload.source),
                            cause=f"inputs: {source}", next="check the weights and the pre-processing of the inputs")
    return outputs


def float_reference(workload: Workload, inputs: Sequence[Inputs], source: str,
                    outputs: tuple[tuple[np.ndarray, ...], ...] | None = None,
                    uncompressed: float | None = None) -> Reference:
    """Outputs and metric of the float model. ``outputs``: those for ``inputs``, where an earlier run kept them.

    ``uncompressed``: the metric before ``workload.module`` was compressed, where it was. Raises WorkloadError where an
    output or the metric is not finite.
    """
    known = float_outputs(workload, inputs, source) if outputs is None else outputs
    metric = float_metric(workload)
    if uncompressed is None:
        return Reference(tuple(inputs), known, source, metric)
    return Reference(tuple(inputs), known, source, uncompressed, metric)


def is_classifier(workload: Workload, output: np.ndarray) -> bool:
    """Whether ``output``, the model's first, holds one score a class: a row of several, one for each label if known.

    Labels or the metric's name say that the model classifies. Classes of pixels or tokens, and a single score for "is
    it?", have no best class on the last axis.
    """
    if output.ndim != 2 or output.shape[1] < 2:
        return False
    if workload.labels is not None:
        return output.shape[1] == len(workload.labels)
    return workload.metric is not None and re.search(r"top.?\d|accuracy", workload.metric.name, re.I) is not None


def measure_fidelity(workload: Workload, session: Session, reference: Reference, *,
                     lock: AbstractContextManager[Any] | None = None) -> Fidelity:
    """Runs every reference input and the workload's metric through the artifact.

    ``lock`` is held while the user's ``evaluate`` runs: their code need not stand several threads. Raises
    ConversionError where the artifact's outputs differ in number or shape from the model's.
    """
    predict = predictor(session, workload.example, workload.input_names)
    outputs = _outputs(predict, reference.inputs)
    for ours, theirs in zip(reference.outputs, outputs, strict=True):
        shapes = [o.shape for o in ours], [o.shape for o in theirs]
        if shapes[0] != shapes[1]:
            raise ConversionError("output-shape", f"the artifact returns shapes {shapes[1]}, the model {shapes[0]}",
                                  next="report the model: the converter changed its outputs")
    classifier = is_classifier(workload, reference.outputs[0][0])
    distance = compare(reference.outputs, outputs, classifier=classifier)
    with lock or nullcontext():
        metric = _metric(workload, predict)
    info = workload.metric
    return Fidelity(inputs=len(outputs), input_source=reference.source, sqnr_db=distance.sqnr_db,
                    cosine=distance.cosine, max_abs=distance.max_abs, top1_agreement=distance.top1_agreement,
                    metric_float=reference.metric, metric_compressed=reference.metric_compressed,
                    metric_artifact=metric,
                    metric_name=info.name if info else None, metric_unit=info.unit if info else None,
                    metric_higher_is_better=info.higher_is_better if info else None)

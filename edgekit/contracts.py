"""The torch-bound nouns and the Protocols of the plug points. What flows from room to room is defined here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import nn

from edgekit.types.artifact import Artifact
from edgekit.types.graph import OpGraph, Source
from edgekit.types.latency import Counts, Memory
from edgekit.types.layer import LayerValue
from edgekit.types.measurement import GoldenCheck
from edgekit.types.scheme import Scheme, SchemeSupport
from edgekit.types.tensor import TensorSpec

__all__ = [
    "CompressPass",
    "FloatRule",
    "Format",
    "Inputs",
    "IoSpec",
    "LayerValue",
    "Metric",
    "PassResult",
    "Predict",
    "Program",
    "QuantPlan",
    "RunSettings",
    "Session",
    "Target",
    "TargetRun",
    "Workload",
]

# One call's inputs, in the order of the model's positional inputs.
Inputs = tuple[torch.Tensor, ...]
# Takes the model's inputs (tensors or arrays, any leading batch), returns what the model returns, as tensors.
Predict = Callable[..., Any]


@dataclass(frozen=True)
class Metric:
    """What ``evaluate(predict)`` returns: its name, unit and direction."""

    name: str
    unit: str
    higher_is_better: bool


@dataclass
class Workload:
    """A trained model with what is known about it. ``module`` is in eval mode on the CPU and takes positional tensors.

    Attributes:
        name: stem of the file it came from.
        source: the user's file or folder.
        module: takes ``example`` positionally; returns a tensor or a flat tuple of tensors.
        example: example inputs, the shapes artifacts are exported at.
        input_names, output_names: one a tensor, from ``forward``'s signature or the user's dict.
        dynamic_batch: whether dimension 0 of every input may vary (from ``dynamic_shapes()``).
        calibration: None, or a callable that yields inputs like ``example``.
        evaluate: None, or a callable that takes a ``Predict`` and returns the metric.
        train_data: None, or a callable that yields ``(inputs, target)`` batches for fine-tuning.
        loss: None (cross-entropy) or ``loss(outputs, target)`` from the user's file.
        preprocess: the layout, colour order, resize, mean and std of the user's images, as plain data.
    """

    name: str
    source: Path
    module: nn.Module
    example: Inputs
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    dynamic_batch: bool = False
    calibration: Callable[[], Iterable[Inputs]] | None = None
    evaluate: Callable[[Predict], float] | None = None
    metric: Metric | None = None
    train_data: Callable[[], Iterable[tuple[Inputs, Any]]] | None = None
    loss: Callable[[Any, Any], torch.Tensor] | None = None
    labels: list[str] | None = None
    preprocess: dict[str, Any] | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass
class Program:
    """The model as captured by ``torch.export`` after normalisation: what all formats start from.

    ``sources`` maps each FX node name to the user's module path and line. Saved as a ``.pt2`` by ``pipeline``, so
    that child processes read it without the user's code.
    """

    name: str
    exported: torch.export.ExportedProgram
    example: Inputs
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    dynamic_batch: bool
    sources: Mapping[str, Source]


@dataclass(frozen=True)
class FloatRule:
    """Keeps operators float: those of ``kind`` ("*" for all) in modules at or under ``module`` ("*" for all).

    ``node``, where given, narrows the rule to one FX node of the program (formats that cannot see FX names use the
    module and kind). ``reason`` ends in the report. ``origin``: recipe (``keep_float``), rule (a format's own table)
    or widened (the auto quality mode).
    """

    module: str
    kind: str
    reason: str
    origin: str
    node: str | None = None


@dataclass(frozen=True)
class IoSpec:
    """Dtype and layout of the artifact's own inputs and outputs ("float32", "int8", "uint8"; "nchw", "nhwc")."""

    dtype: str = "float32"
    layout: str = "nchw"


@dataclass(frozen=True)
class QuantPlan:
    """How to quantise. ``calibration`` holds the same inputs for every format; empty unless the scheme needs it.

    ``biases`` are to be stored in place of the program's own, by their names in its state: they make up for what the
    plan's rounding shifts. Ranges are those of the program as it is.
    """

    scheme: Scheme
    observer: str = "mse"
    calibration: tuple[Inputs, ...] = ()
    keep_float: tuple[FloatRule, ...] = ()
    io: IoSpec = IoSpec()
    options: Mapping[str, Any] = field(default_factory=dict)
    biases: Mapping[str, torch.Tensor] = field(default_factory=dict)


@runtime_checkable
class Session(Protocol):
    """A loaded artifact. ``run`` takes and returns arrays in the artifact's own dtypes and layout, in spec order."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]: ...

    def layers(self, inputs: Sequence[np.ndarray]) -> list[LayerValue]:
        """Every intermediate value of one run, in order of execution; raises EdgekitError where it cannot."""
        ...


@runtime_checkable
class Format(Protocol):
    """One target format. Objects are stateless; ``supports`` needs no converter to be installed.

    ``export`` writes ``out`` and may keep what it can reuse (the float conversion, calibration ranges) in
    ``scratch``, a folder that belongs to this program and format. It raises ConversionError and never leaves ``out``
    half-written.
    """

    name: str
    suffix: str
    extra: str

    def supports(self) -> Mapping[str, SchemeSupport]: ...

    def runtime(self) -> str:
        """Name and version of the runtime that loads artifacts; raises EnvironmentProblem where it is missing."""
        ...

    def tools(self) -> Mapping[str, str]:
        """Versions of every package that decides the artifact's bytes."""
        ...

    def warm_up(self) -> None:
        """Imports what ``export`` will need: seconds that pass in its process while the model is being captured."""
        ...

    def export(self, program: Program, plan: QuantPlan, out: Path, scratch: Path) -> Artifact: ...

    def load(self, path: Path) -> Session: ...

    def graph(self, path: Path) -> OpGraph: ...


@dataclass(frozen=True)
class PassResult:
    """A compressed module and what changed, in numbers (``macs_before``, ``macs_after``, ``parameters_after`` ...)."""

    module: nn.Module
    changed: Mapping[str, float]


@runtime_checkable
class CompressPass(Protocol):
    """One compression pass. ``settings`` is the pass's own pydantic model, so a recipe's mistakes have a line."""

    name: str
    settings: type

    def requires(self, workload: Workload, settings: Any) -> None:
        """Raises EdgekitError where the workload lacks what the pass needs (``train_data``, channels to cut)."""
        ...

    def run(self, workload: Workload, settings: Any) -> PassResult: ...

    def ensures(self, before: nn.Module, after: PassResult, settings: Any) -> None:
        """Raises ConversionError where the result is not what the settings asked for."""
        ...


@dataclass(frozen=True)
class RunSettings:
    """How often a target runs an artifact: ``warmup`` runs first, then ``repeats`` that count.

    ``operators`` asks for the runtime's own time of each operator; ``seconds`` is the limit for each step: loading,
    pushing, running.
    """

    warmup: int = 3
    repeats: int = 20
    threads: int = 1
    operators: bool = False
    seconds: float = 600


@dataclass(frozen=True)
class TargetRun:
    """What a target found. ``times_ms`` is empty where its clock says nothing of a device: then there are ``counts``.

    ``outputs`` are those of the last run, in the artifact's own dtypes and layout. ``budget_mb`` is what an app may
    use on the device, where the target knows. ``golden`` are golden vectors that the target compared by itself.
    """

    outputs: tuple[np.ndarray, ...]
    runtime: str
    memory: Memory | None
    times_ms: tuple[float, ...] = ()
    counts: Counts | None = None
    operators: tuple[tuple[str, float], ...] = ()
    device: str | None = None
    core: str | None = None
    budget_mb: int | None = None
    golden: tuple[GoldenCheck, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class Target(Protocol):
    """Where an artifact can be run. ``address`` is what follows the colon in ``--on NAME:ADDRESS``, or empty.

    ``in_process`` says that ``run`` loads a native runtime into the calling process, so that it is to be isolated.
    """

    in_process: bool

    def prepare(self, address: str, format_name: str) -> None:
        """Connects, and sets up what runs there. Raises UsageError, DeviceError or EnvironmentProblem."""
        ...

    def run(self, artifact: Path, inputs: Sequence[np.ndarray], settings: RunSettings) -> TargetRun: ...

"""What an app gets: ``bundle.json``, which the app reads, and what `edgekit bundle` says of it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from edgekit.types.base import Data
from edgekit.types.latency import Latency
from edgekit.types.tensor import TensorSpec

__all__ = ["AppBundle", "BundleReport", "BundledModel", "Delivery", "GoldenTensor", "GoldenVector", "RuntimePin"]

Delivery = Literal["assets", "ai-pack"]


class RuntimePin(Data):
    """The runtime that made the golden vectors, and the Android library that the app must use."""

    name: str
    coordinate: str


class GoldenTensor(Data):
    """A raw little-endian file. ``tolerance``: of an output, how far a device may be from it, in its own units."""

    file: str
    sha256: str
    shape: tuple[int, ...]
    dtype: str
    tolerance: float | None = None


class GoldenVector(Data):
    """Inputs of one inference and what the artifact answered, in the artifact's own order, dtypes and layout."""

    inputs: tuple[GoldenTensor, ...]
    outputs: tuple[GoldenTensor, ...]


class BundledModel(Data):
    """One artifact. ``file`` and the vectors' files are paths among the app's assets.

    ``exporter`` are the tools that made it, with versions; ``predicted`` is the latency on the bundle's device.
    """

    format: str
    flavor: str
    file: str
    sha256: str
    bytes: int
    scheme: str
    runtime: RuntimePin
    exporter: dict[str, str]
    threads: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    golden: tuple[GoldenVector, ...]
    predicted: Latency | None


class AppBundle(Data):
    """Document ``edgekit/bundle/1``. ``preprocess`` has the fields of ``workload.preprocess.Preprocess``."""

    schema_: str = Field(default="edgekit/bundle/1", alias="schema")
    name: str
    recipe: str
    device: str | None
    edgekit: str
    delivery: Delivery
    abis: tuple[str, ...]
    labels: tuple[str, ...] | None
    preprocess: dict[str, Any] | None
    models: tuple[BundledModel, ...]


class BundleReport(Data):
    """What was written, or where ``checked``, what an app's bundle would need to be that of the output folder.

    ``files`` are bytes by path. ``stale`` names files that are missing or not as they would be written, ``foreign``
    those that edgekit did not write and will not replace; ``notes`` say what else a user should know.
    """

    source: str
    app: str
    folder: str
    checked: bool
    bundle: AppBundle
    files: dict[str, int]
    stale: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

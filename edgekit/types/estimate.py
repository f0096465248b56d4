"""What ``edgekit estimate`` finds: an artifact's size, and its time and memory on devices nobody has at hand."""

from __future__ import annotations

from typing import Literal

from edgekit.types.base import Data
from edgekit.types.budget import BudgetLine
from edgekit.types.latency import Counts, Latency, Memory
from edgekit.types.measurement import Fit

__all__ = ["DeviceEstimate", "Estimate", "LatencyParts", "OperatorShare", "Size", "Tier"]

Tier = Literal["analytic", "counts"]


class Size(Data):
    """Bytes of the artifact's file: installed as it is, and downloaded, compressed by ``compressor``.

    ``by_dtype`` and ``by_layer`` are the installed bytes of constants, by stored dtype and by module path, or
    ``(operator)`` where no module is known; ``structure_bytes`` is the rest of the file.
    """

    installed_bytes: int
    download_bytes: int
    compressor: str
    by_dtype: dict[str, int]
    by_layer: dict[str, int]
    structure_bytes: int


class LatencyParts(Data):
    """Milliseconds of a predicted latency by what they are spent on; ``bound_by`` is the largest."""

    compute_ms: float
    memory_ms: float
    overhead_ms: float
    bound_by: str


class OperatorShare(Data):
    """One operator's share of the predicted latency, 0 to 1; ``bound_by`` is the largest part of its own time.

    ``index`` is its place in the OpGraph. Predicted by the analytic tier whatever the tier of the whole.
    """

    index: int
    name: str
    kind: str
    dtype: str
    module: str | None
    share: float
    bound_by: str


class DeviceEstimate(Data):
    """One device. ``facts`` says what the figures rest on: counts, the core's parameters and where they are from.

    ``memory_split``: the predicted peak and its parts, beside what was found under emulation. ``budget`` has the
    recipe's lines, where a recipe was given.
    """

    device: str
    core: str
    latency: Latency
    parts: LatencyParts
    operators: tuple[OperatorShare, ...]
    counts: Counts | None
    memory: Memory
    fit: Fit
    facts: dict[str, str]
    memory_split: Memory | None = None
    budget: tuple[BudgetLine, ...] = ()


class Estimate(Data):
    """Document ``edgekit/estimate/1``. ``budget`` is what the recipe asks of the file; the devices have their own."""

    artifact: str
    sha256: str
    format: str
    size: Size
    devices: tuple[DeviceEstimate, ...]
    budget: tuple[BudgetLine, ...] = ()

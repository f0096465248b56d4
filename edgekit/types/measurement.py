"""What ``edgekit measure`` finds: one artifact on one target."""

from __future__ import annotations

from edgekit.types.base import Data
from edgekit.types.latency import Counts, Latency, Memory

__all__ = ["Agreement", "Fit", "GoldenCheck", "Measurement", "OldestRuntime", "OperatorTime"]


class Agreement(Data):
    """The target's outputs against this machine's, both of the same artifact on the same inputs.

    ``max_abs`` and ``tolerance`` are those of the output that comes nearest to its tolerance, in the output's units.
    Golden vectors that the target checked itself count: one that fails is what then stands here.
    """

    identical: bool
    max_abs: float
    tolerance: float
    agrees: bool


class GoldenCheck(Data):
    """A golden vector that the target itself ran and compared: its largest error and the tolerance of that output.

    An error that is not finite is the largest float, because JSON has no infinity.
    """

    max_abs: float
    tolerance: float
    agrees: bool


class Fit(Data):
    """Whether the artifact fits what an app may use on the device, in bytes."""

    needs_bytes: int
    budget_bytes: int
    fits: bool


class OperatorTime(Data):
    """Milliseconds that the runtime itself gives for one operator of one run."""

    name: str
    ms: float


class OldestRuntime(Data):
    """What the oldest runtime that boards in the field have makes of a file: whether it runs, why not, how alike."""

    runtime: str
    runs: bool
    reason: str | None = None
    agreement: Agreement | None = None


class Measurement(Data):
    """One artifact on one target. ``counts``, ``latency`` or ``memory`` is None where the target cannot tell it truly.

    ``inputs`` says where they came from; ``facts`` holds what the figures depend on: runtime, emulator, clocks.
    """

    artifact: str
    sha256: str
    format: str
    target: str
    device: str | None
    core: str | None
    processor: str
    threads: int
    runtime: str
    inputs: str
    agreement: Agreement
    latency: Latency | None
    counts: Counts | None
    memory: Memory | None
    fit: Fit | None
    operators: tuple[OperatorTime, ...]
    oldest_runtime: OldestRuntime | None = None
    facts: dict[str, str]

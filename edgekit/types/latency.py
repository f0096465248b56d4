"""Figures of time, work and memory. A number without a kind does not exist."""

from __future__ import annotations

from typing import Literal

from edgekit.types.base import Data

__all__ = ["Counts", "Latency", "Memory"]


class Latency(Data):
    """Milliseconds of one inference. ``predicted``: low to high is a 90 % interval; ``measured``: p10 to p90."""

    kind: Literal["predicted", "measured"]
    tier: Literal["analytic", "counts", "vendor"] | None
    ms: float
    low_ms: float
    high_ms: float
    device: str
    processor: str
    threads: int
    runtime: str


class Counts(Data):
    """What one warm inference executes under emulation.

    ``streamed``: of each cache level's misses, those that continue a stream of misses, which a core fetches ahead.
    ``scheduled_cycles``: that the core's pipelines take for the instructions, as its profile describes them, where
    every load hits the first cache and every branch is foreseen.
    """

    kind: Literal["emulated"]
    instructions: int
    scheduled_cycles: int
    by_class: dict[str, int]
    load_bytes: int
    store_bytes: int
    l1_misses: int
    l2_misses: int
    peak_memory_bytes: int
    streamed: tuple[int, ...]
    l3_misses: int | None = None


class Memory(Data):
    """Bytes at the peak of one inference; where they are split, the parts add up to the peak.

    ``arena_bytes`` are activations, ``weight_bytes`` constants as the runtime holds them, ``runtime_bytes`` what it
    needs for itself.
    """

    kind: Literal["predicted", "emulated", "measured"]
    peak_bytes: int
    arena_bytes: int | None = None
    weight_bytes: int | None = None
    runtime_bytes: int | None = None

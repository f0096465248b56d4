"""Counted instructions and cache misses turned into time by a core's parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.estimate.timing import GROUPS, CoreTiming

__all__ = ["LINE_BYTES", "Misses", "Price", "Work", "price", "stacked"]

LINE_BYTES = 64
_SHARP = 3  # of the norm that rounds the corner where waiting for a line gives way to the bus


@dataclass(frozen=True)
class Misses:
    """Lines that a cache level had to fetch, and how many of them continued a stream of misses."""

    lines: float
    streamed: float

    def cost(self, share: float) -> float:
        """Lines, where a streamed one counts as ``share``: it is fetched ahead, while the core goes on."""
        return self.lines - self.streamed * (1 - share)


@dataclass(frozen=True)
class Work:
    """One warm inference on one thread.

    Attributes:
        groups: executed instructions by group of ``timing.GROUPS``.
        levels: misses of each cache level, the first level first.
        regions: operators, each of which starts and ends the threads.
        scheduled: cycles of the instructions by the core's pipelines; None where only their number is known.
    """

    groups: Mapping[str, float]
    levels: tuple[Misses, ...]
    regions: float
    scheduled: float | None = None

    @classmethod
    def of_classes(cls, by_class: Mapping[str, float], levels: Sequence[Misses], regions: float,
                   scheduled: float | None = None) -> Work:
        """From counts by instruction class. Raises KeyError for a class that has no group."""
        groups: dict[str, float] = {}
        for name, number in by_class.items():
            groups[GROUPS[name]] = groups.get(GROUPS[name], 0.0) + number
        return cls(groups, tuple(levels), regions, scheduled)


def stacked(works: Sequence[Work]) -> Work:
    """Several as one whose figures are numpy arrays, an element each, float64; :func:`price` takes it.

    Where some have fewer cache levels than others, those between their first and their last miss nothing. Either all of
    them were scheduled or none counts as such.
    """
    import numpy as np

    def column(values: Iterable[float | None]) -> Any:
        return np.array(list(values), float)

    scheduled = all(work.scheduled is not None for work in works)
    most = max(len(work.levels) for work in works)
    levels = [(*w.levels[:-1], *[Misses(0, 0)] * (most - len(w.levels)), w.levels[-1]) for w in works]
    return Work({group: column(w.groups.get(group, 0.0) for w in works)
                 for group in sorted({group for w in works for group in w.groups})},
                tuple(Misses(column(m.lines for m in level), column(m.streamed for m in level))
                      for level in zip(*levels, strict=True)),
                column(w.regions for w in works), column(w.scheduled for w in works) if scheduled else None)


@dataclass(frozen=True)
class Price:
    """Milliseconds of one inference, by what they are spent on."""

    compute_ms: float
    memory_ms: float
    overhead_ms: float

    @property
    def ms(self) -> float:
        return self.compute_ms + self.memory_ms + self.overhead_ms


def price(work: Work, timing: CoreTiming, ghz: float, gb_s: float, threads: int = 1,
          line_ns: float | None = None) -> Price:
    """Time of ``work`` on ``threads`` cores at ``ghz`` before a memory of ``gb_s`` at its peak.

    The core's own cycles are those of its instructions and of lines that a further cache gives it; several threads
    divide a share of them and pay for each operator. A line from memory, which no cache has, costs a core ``line_ns``;
    lines that continue a stream cost a share of it. Several threads wait side by side, but all lines pass one bus,
    which reaches a share of ``gb_s``: the wait is that of the slower of the two.

    All figures may be numpy arrays, one element an inference.
    """
    costs = timing.cycles if work.scheduled is None else timing.scheduled
    cycles = sum(getattr(costs, group) * number for group, number in work.groups.items())
    if work.scheduled is not None:
        cycles += timing.scheduled.share * work.scheduled
    *near, last = work.levels
    lines = sum(cost * misses.cost(timing.cycles.streamed)
                for misses, cost in zip(near, (timing.cycles.l1_miss, timing.cycles.l2_miss), strict=False))
    waiting_ns = last.cost(timing.streamed) * (timing.line_ns if line_ns is None else line_ns) / threads
    bus_ns = last.lines * LINE_BYTES / (timing.bus_share * gb_s)
    of = timing.threads
    compute = (cycles * (1 - of.parallel_share + of.parallel_share / threads)
               + lines * (1 - of.line_share + of.line_share / threads))
    calls = work.regions * (timing.operator_cycles + of.region_cycles * (threads > 1))
    return Price(compute / ghz * 1e-6, (waiting_ns**_SHARP + bus_ns**_SHARP)**(1 / _SHARP) * 1e-6, calls / ghz * 1e-6)

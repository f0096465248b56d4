"""Memory planners: values that live for a while, placed in one buffer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Life", "arena_bytes", "pattern_bytes"]


@dataclass(frozen=True)
class Life:
    """A value of ``bytes`` that is needed from the operator ``first`` to the operator ``last``, both included."""

    bytes: int
    first: int
    last: int


def arena_bytes(values: Iterable[Life], alignment: int = 1) -> int:
    """Bytes of one buffer for all ``values``, no two of which overlap in time and place.

    Sizes are rounded up to ``alignment``. Source: GreedyBySize of Pisarchyk and Lee, 2020, as TensorFlow Lite's
    ``arena_planner.cc`` and XNNPACK's ``memory-planner.c`` have it.
    """
    placed: list[tuple[int, int, Life]] = []  # start, end
    for value in sorted((v for v in values if v.bytes), key=lambda v: (-v.bytes, v.first)):
        size = -(-value.bytes // alignment) * alignment
        start, best = 0, None
        for begin, end, other in placed:
            if other.last < value.first or value.last < other.first:
                continue
            gap = begin - start
            if gap >= size and (best is None or gap < best[0]):
                best = (gap, start)
            start = max(start, end)
        at = best[1] if best else start
        placed.append((at, at + size, value))
        placed.sort(key=lambda p: p[:2])
    return max((end for _, end, _ in placed), default=0)


def pattern_bytes(values: Iterable[Life], alignment: int = 1) -> int:
    """Bytes of one buffer for all ``values`` where each is placed when it is made, in the smallest gap that holds it.

    Source: ONNX Runtime's ``core/framework/mem_pattern_planner.h``.
    """
    living: list[tuple[int, int, int]] = []  # start, end, the last operator
    most = 0
    for value in sorted((v for v in values if v.bytes), key=lambda v: v.first):
        living = sorted(place for place in living if place[2] >= value.first)
        size = -(-value.bytes // alignment) * alignment
        start, gaps = 0, []
        for begin, end, _ in living:
            if begin - start >= size:
                gaps.append((begin - start, start))
            start = max(start, end)
        at = min(gaps)[1] if gaps else start
        living.append((at, at + size, value.last))
        most = max(most, at + size)
    return most

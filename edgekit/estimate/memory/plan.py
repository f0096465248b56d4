"""The memory planner that TensorFlow Lite and XNNPACK share: the largest values first, each in the smallest gap."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Life", "arena_bytes"]


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

"""ONNX Runtime's arena: which bytes of its regions are ever used. Source: ``core/framework/bfc_arena.cc``.

Regions are asked of the C library: 1 MiB first, twice as much each time, or as often doubled as a request needs. A
request, rounded up to 256 bytes, takes the smallest free chunk that holds it, of several the one at the lowest address,
and splits it.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Arena", "Chunk"]

_ROUND = 256
_FIRST_REGION = 2**20
_DEAD_BYTES = 128 * 2**20  # a chunk is split where more than this, or than the request, would be left unused


@dataclass(eq=False)
class Chunk:
    """A place in a region, ``size`` bytes from ``start``."""

    region: int
    start: int
    size: int
    free: bool = True


class Arena:
    """Hands out places; ``touched_bytes`` are those that were ever handed out.

    ``mapped_bytes``: regions of more are mapped, each below the one before; others lie in the heap, each above.
    """

    def __init__(self, mapped_bytes: int) -> None:
        self._mapped_bytes = mapped_bytes
        self._regions: list[list[Chunk]] = []
        self._touched: list[int] = []  # of each region, up to where it was used
        self._next = _FIRST_REGION

    @property
    def touched_bytes(self) -> int:
        return sum(self._touched)

    def take(self, size: int) -> Chunk:
        """A place of ``size`` bytes, to be given back to :meth:`give`."""
        size = max(-(-size // _ROUND) * _ROUND, _ROUND)
        fitting = [c for region in self._regions for c in region if c.free and c.size >= size]
        chunk = min(fitting, key=lambda c: (c.size, self._height(c.region), c.start), default=None) \
            or self._extend(size)
        if chunk.size >= 2 * size or chunk.size - size >= _DEAD_BYTES:
            region = self._regions[chunk.region]
            region.insert(region.index(chunk) + 1, Chunk(chunk.region, chunk.start + size, chunk.size - size))
            chunk.size = size
        chunk.free = False
        self._touched[chunk.region] = max(self._touched[chunk.region], chunk.start + size)
        return chunk

    def give(self, chunk: Chunk) -> None:
        """Gives a place back; free neighbours become one."""
        chunk.free = True
        region = self._regions[chunk.region]
        at = region.index(chunk)
        while at + 1 < len(region) and region[at + 1].free:
            chunk.size += region.pop(at + 1).size
        if at and region[at - 1].free:
            region[at - 1].size += chunk.size
            region.pop(at)

    def _height(self, region: int) -> tuple[bool, int]:
        """Sorts as the regions' addresses do."""
        mapped = sum(chunk.size for chunk in self._regions[region]) > self._mapped_bytes
        return mapped, -region if mapped else region

    def _extend(self, size: int) -> Chunk:
        grown = self._next < size
        while self._next < size:
            self._next *= 2
        chunk = Chunk(len(self._regions), 0, self._next)
        self._regions.append([chunk])
        self._touched.append(0)
        if not grown:
            self._next *= 2
        return chunk

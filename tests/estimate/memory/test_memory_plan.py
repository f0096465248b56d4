"""Planners: values in one buffer, and ONNX Runtime's arena."""

from __future__ import annotations

import random

from edgekit.estimate.memory.bfc import Arena
from edgekit.estimate.memory.plan import Life, arena_bytes, pattern_bytes

MIB = 2**20


def test_a_chain_needs_two_neighbours() -> None:
    chain = [Life(100, 0, 1), Life(300, 1, 2), Life(200, 2, 3)]
    assert arena_bytes(chain) == 500
    assert pattern_bytes(chain) == 600  # the place of the first is too small for the third
    assert arena_bytes(chain, alignment=64) == 320 + 256
    assert arena_bytes([]) == pattern_bytes([]) == 0


def test_the_largest_first_needs_less_than_as_they_come() -> None:
    """A small value that lives long stands in the way of a large one that comes later."""
    values = [Life(100, 0, 0), Life(50, 0, 3), Life(140, 2, 3)]
    assert arena_bytes(values) == 190
    assert pattern_bytes(values) == 290


def test_plans_hold_what_lives_at_once_and_no_more_than_all() -> None:
    rng = random.Random(0)
    for _ in range(50):
        values = [Life(rng.randrange(1, 1000), first, first + rng.randrange(5)) for first in range(20)]
        most = max(sum(v.bytes for v in values if v.first <= n <= v.last) for n in range(25))
        for planned in (arena_bytes(values), pattern_bytes(values)):
            assert most <= planned <= sum(v.bytes for v in values)


def test_regions_double_and_only_what_is_used_counts() -> None:
    arena = Arena(32 * MIB)
    first = arena.take(1000)
    assert arena.touched_bytes == 1024
    arena.take(MIB)  # no room beside it: a region of 2 MiB
    assert arena.touched_bytes == 1024 + MIB
    arena.give(first)
    arena.take(MIB // 2)  # in the first region again
    assert arena.touched_bytes == MIB // 2 + MIB


def test_a_chunk_is_split_only_where_half_is_left() -> None:
    """A region grown to 4 MiB for 3 MiB is used whole: the next request goes to a new one of the same size."""
    arena = Arena(32 * MIB)
    arena.take(3 * MIB)
    second = arena.take(MIB)
    assert (second.region, second.start) == (1, 0)
    assert arena.touched_bytes == 4 * MIB


def test_free_neighbours_become_one() -> None:
    arena = Arena(32 * MIB)
    chunks = [arena.take(MIB // 4) for _ in range(4)]
    for chunk in chunks[1:3]:
        arena.give(chunk)
    again = arena.take(MIB // 2)
    assert (again.region, again.start) == (0, MIB // 4)


def test_of_two_places_the_one_at_the_lower_address_is_taken() -> None:
    """The heap grows upwards, mappings downwards."""
    for mapped_bytes, lower in ((32 * MIB, 0), (MIB, 1)):
        arena = Arena(mapped_bytes)
        for chunk in [arena.take(2 * MIB), arena.take(2 * MIB)]:
            arena.give(chunk)
        assert arena.take(2 * MIB).region == lower

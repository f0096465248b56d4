"""Cycles that a core's pipelines take for blocks of instructions, where every load hits the first cache.

A block runs over and over, as the inner loops of kernels do, and its steady state counts. In order, an instruction
starts when its operands are there, after or beside the one before; out of order, as soon as its operands are there and
a place of the window is free. Branches are foreseen, and stores, branches and prefetches are waited for by nobody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from edgekit.devices.catalogue import get_pipeline
from edgekit.devices.core import Core
from edgekit.devices.instructions import Instruction, Kind, decode
from edgekit.devices.pipeline import Pipeline

__all__ = ["block_cycles", "scheduled_cycles"]

_ROUNDS = 12  # of a block; the second half of them counts: whole cycles of two or three places, whatever its length
_WINDOWS = 3  # at least so many windows of instructions
_LANE_BITS, _PIPE_BYTES = 64, 8
_PRODUCTS = 8  # int8 products of one 128-bit instruction into int16 sums
_WORD = 8  # hexadecimal digits
_VECTOR: tuple[Kind, ...] = ("multiply_add", "float_multiply", "float", "float_divide", "integer_multiply",
                             "integer_multiply_add", "dot", "matrix", "vector", "move", "transfer")
_PRODUCT_KINDS = ("integer_multiply", "integer_multiply_add")
_UNAWAITED = ("none", "store", "vector_store", "branch", "prefetch")

Use = tuple[str, int, int]  # a resource, how much of it, for how many cycles
Taken = Mapping[str, dict[int, int]]  # of each resource, by cycle


def scheduled_cycles(blocks: Iterable[tuple[int, str]], instructions: int, core: Core) -> float:
    """Cycles of ``instructions``, of which ``blocks`` are the most: how often each ran, its encodings in hexadecimal.

    What is in no block counts as the others do on average.
    """
    cycles = known = 0.0
    for runs, text in blocks:
        words = [int(text[k:k + _WORD], 16) for k in range(0, len(text), _WORD)]
        cycles += runs * block_cycles([decode(word) for word in words], core)
        known += runs * len(words)
    return cycles * instructions / known if known else 0.0


def block_cycles(block: Sequence[Instruction], core: Core) -> float:
    """Cycles of one run of ``block`` among many."""
    pipeline = get_pipeline(core.pipeline)
    room = _room(core, pipeline)
    plan = [(one, uses := _uses(one, core, pipeline), _latency(one, uses, pipeline)) for one in block]
    rounds = max(_ROUNDS, -(-_WINDOWS * (pipeline.window or 0) // len(block)))
    taken: Taken = {name: defaultdict(int) for name in room}
    ready: dict[str, int] = {}
    summed: dict[str, Kind] = {}
    retired: list[int] = []
    ends = []
    start = 0
    for _ in range(rounds):
        for one, uses, latency in plan:
            place = len(retired)
            if pipeline.window:
                start = place // core.issue_width
                if place >= pipeline.window:
                    start = max(start, retired[place - pipeline.window])
            for register in one.reads:
                there = ready.get(register, 0)
                if register == one.sums and summed.get(register) == one.kind:
                    there -= latency - getattr(pipeline.sum_latency, one.kind)
                start = max(start, there)
            start = _placed(uses, start, taken, room)
            for register in one.writes:
                ready[register] = start + (1 if register == one.address else latency)
                summed[register] = one.kind
            retired.append(max(start + latency, retired[-1] if retired else 0))
        ends.append(retired[-1] if pipeline.window else start)
    half = rounds // 2
    return (ends[-1] - ends[half - 1]) / (rounds - half)


def _placed(uses: Sequence[Use], start: int, taken: Taken, room: Mapping[str, int]) -> int:
    """The first cycle from ``start`` that has room for ``uses``, which are ``taken`` from then on."""
    while any(taken[name][cycle] + amount > room[name]
              for name, amount, cycles in uses for cycle in range(start, start + cycles)):
        start += 1
    for name, amount, cycles in uses:
        for cycle in range(start, start + cycles):
            taken[name][cycle] += amount
    return start


def _room(core: Core, pipeline: Pipeline) -> dict[str, int]:
    """How much of each resource a cycle has."""
    room = {"loads": pipeline.loads, "stores": pipeline.stores, "addresses": pipeline.addresses,
            "integers": pipeline.integers, "multiplies": pipeline.multiplies, "branches": pipeline.branches,
            "lanes": _lanes(core),
            "divides": 1, "products": max(int(core.macs_per_cycle.int8 // _PRODUCTS), 1)}
    return room if pipeline.window else {**room, "places": core.issue_width}


def _uses(one: Instruction, core: Core, pipeline: Pipeline) -> list[Use]:
    places: list[Use] = [] if pipeline.window else [("places", 1, 1)]
    if one.kind in ("load", "vector_load", "prefetch"):
        cycles = max(-(-one.size // pipeline.load_bytes), 1)
        held = pipeline.vector_pipes_held
        lanes = 0 if one.kind != "vector_load" else held.load_64 if one.size <= _PIPE_BYTES else held.load_128
        return [*places, ("loads", 1, cycles), ("addresses", 1, cycles), _held(lanes, cycles, core)]
    if one.kind in ("store", "vector_store"):
        cycles = max(-(-one.size // pipeline.store_bytes), 1)
        return [*places, ("stores", 1, cycles), ("addresses", 1, cycles)]
    if one.kind in _VECTOR:
        lanes = (pipeline.vector_pipes_held.transfer if one.kind == "transfer" else
                 max(one.size // _PIPE_BYTES, core.simd.bits // _LANE_BITS))
        own: list[Use] = ([("products", 1, 1)] if one.kind in _PRODUCT_KINDS else
                          [("divides", 1, pipeline.latency.float_divide)] if one.kind == "float_divide" else [])
        return [*places, _held(lanes, 1, core), *own]
    if one.kind == "branch":
        return [*places, ("branches", 1, 1)]
    if one.kind == "none":
        return places
    if one.kind == "divide":
        return [*places, ("integers", 1, 1), ("multiplies", 1, pipeline.latency.divide)]
    return [*places, ("integers", 1, 1), *[("multiplies", 1, 1)] * (one.kind == "multiply")]


def _lanes(core: Core) -> int:
    return core.simd.pipes * core.simd.bits // _LANE_BITS


def _held(needed: int, cycles: int, core: Core) -> Use:
    """A core with fewer lanes than an instruction needs takes it in several cycles."""
    lanes = _lanes(core)
    return "lanes", min(needed, lanes), cycles * max(-(-needed // lanes), 1)


def _latency(one: Instruction, uses: Sequence[Use], pipeline: Pipeline) -> int:
    """Of a load that takes several cycles, until its last register."""
    if one.kind in _UNAWAITED:
        return 1
    more = max(cycles for _, _, cycles in uses) - 1 if one.kind in ("load", "vector_load") else 0
    return int(getattr(pipeline.latency, one.kind)) + more

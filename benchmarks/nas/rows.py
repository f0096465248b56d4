"""Measured architectures with what they execute, on the four devices of the tables."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from spaces import SETTINGS, Operators, executed, fbnet, macs_of, nasbench201

from edgekit.devices.catalogue import get_core
from edgekit.estimate.calibration import Sample
from edgekit.estimate.kernel_tables import get_kernels
from edgekit.estimate.kernels import Kernel, work_of
from edgekit.estimate.price import Misses, Work

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "data" / "nas"
SPACES = ("fbnet", "nasbench201")


@dataclass(frozen=True)
class Board:
    """A measured device. ``caches``: bytes behind the first level.

    ``pruned``: its rows of NAS-Bench-201 take no time for edges into nodes that nothing reads.
    """

    column: str
    id: str
    core: str
    ghz: float
    gb_s: float
    caches: tuple[float, ...]
    pruned: bool
    whole_ms: bool


KB = 1024.0
# Clocks, caches and memories of pixel-3, raspberry-pi-4b and pixel-2 (the Essential Phone's Snapdragon 835, there at
# 2.45 GHz) are those of device_profiles; the A50's Exynos 9610: Samsung's product page (Cortex-A73 at 2.3 GHz,
# LPDDR4X), its bandwidth and second-level cache are assumed. kryo-280-gold is a Cortex-A73.
BOARDS = (
    Board("pixel3", "pixel-3", "kryo-385-gold", 2.5, 29.9, (256 * KB, 2048 * KB), pruned=True, whole_ms=False),
    Board("raspi4", "raspberry-pi-4b", "cortex-a72", 1.8, 12.8, (1024 * KB,), pruned=True, whole_ms=False),
    Board("samsung_a50", "samsung-a50", "kryo-280-gold", 2.3, 14.9, (1024 * KB,), pruned=False, whole_ms=True),
    Board("essential_ph_1", "essential-ph-1", "kryo-280-gold", 2.45, 29.9, (2048 * KB,), pruned=False, whole_ms=True))


@dataclass(frozen=True)
class Row:
    """``arch``: the choices that are executed, a digit each."""

    arch: str
    macs: float
    sample: Sample


@cache
def _measured(space: str) -> list[dict[str, str]]:
    with gzip.open(DATA / f"{space}.csv.gz", "rt") as stream:
        return list(csv.DictReader(stream))


@cache
def operators_of(space: str, arch: str, setting: str) -> Operators:
    return fbnet(arch, SETTINGS[setting]) if space == "fbnet" else nasbench201(arch)


def work(operators: Operators, kernels: dict[str, Kernel], caches: Sequence[float]) -> Work:
    """Of all operators together."""
    weights = sum(op.weight_bytes * n for op, n in operators.items())
    groups: dict[str, float] = {}
    levels = [[0.0, 0.0] for _ in caches]
    for op, n in operators.items():
        one = work_of(op, kernels[op.kernel], caches, weights)
        for group, number in one.groups.items():
            groups[group] = groups.get(group, 0.0) + n * number
        for level, misses in zip(levels, one.levels, strict=True):
            level[0] += n * misses.lines
            level[1] += n * misses.streamed
    return Work(groups, tuple(Misses(*level) for level in levels), sum(operators.values()))


def load_rows(space: str, board: Board, every: int = 1, setting: str = "cifar100") -> list[Row]:
    """All rows of a space on a device, or every so many; ``setting`` is FBNet's."""
    core = get_core(board.core)
    kernels, caches = get_kernels("tflite", core).kernels, (core.l1d.kb * KB, *board.caches)
    rows = []
    for measured in [row for row in _measured(space) if row[board.column]][::every]:
        arch = measured["arch"]
        if space == "nasbench201" and board.pruned:
            arch = executed(arch)
        operators = operators_of(space, arch, setting)
        rows.append(Row(arch, macs_of(operators), Sample(
            work(operators, kernels, caches), board.ghz, board.gb_s, 1, float(measured[board.column]))))
    return rows

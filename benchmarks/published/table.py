"""Rows that others published, the machine each was measured on, and what was counted for the same network there."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from edgekit.devices.catalogue import get_device
from edgekit.devices.profile import Cluster
from edgekit.estimate.price import Misses, Work
from edgekit.estimate.regions import region_share

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "data" / "published"
# Profiles that are counted once more, under their name and TOGETHER, with the caches that several threads have.
TOGETHER = ", caches together"
COUNTED_TOGETHER = ("pixel-4",)
ROWS, COUNTS = DATA / "rows.csv", DATA / "counts.csv"


@dataclass(frozen=True)
class Machine:
    """A device of the table: its profile, the cluster that ran it, its clock, and threads by the table's words."""

    device: str
    profile: str
    cluster: int
    ghz: float
    threads: Mapping[str, int]

    @property
    def cores(self) -> Cluster:
        return get_device(self.profile).clusters[self.cluster]


@dataclass(frozen=True)
class Published:
    """One published latency."""

    model: str
    variant: str
    precision: str
    machine: Machine
    threads: int
    runtime: str
    ms: float
    macs_m: float
    source: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.model, self.variant, self.precision, self.machine.profile

    @property
    def name(self) -> str:
        return f"{self.model} {self.variant} {self.precision} on {self.machine.profile}, {self.threads} threads"


@dataclass(frozen=True)
class Counted:
    """What one warm inference on one thread executes; ``macs`` are the artifact's own."""

    work: Work
    macs: float
    runtime: str


def caches_together(of: Machine) -> tuple[int, int]:
    """KiB of the second levels of all cores of the kind that ran a row, and of the third beside them.

    Arm's DynamIQ Shared Unit fills the third level with what the second levels drop.
    """
    device = get_device(of.profile)
    own = sum(cluster.count * cluster.l2_kb for cluster in device.clusters if cluster.core == of.cores.core)
    return own, (device.l3_kb or 0) + own


def load_published() -> list[Published]:
    machines = {m["device"]: Machine(**m) for m in YAML(typ="safe").load(HERE / "machines.yaml")}
    with ROWS.open() as stream:
        return [Published(r["model"], r["variant"], r["precision"], machines[r["device"]],
                          machines[r["device"]].threads[r["threads"]], r["runtime"], float(r["latency_ms"]),
                          float(r["macs_m"]), r["source"]) for r in csv.DictReader(stream)]


def load_counts() -> dict[tuple[str, ...], Counted]:
    """By ``Published.key``."""
    with COUNTS.open() as stream:
        return {(r["model"], r["variant"], r["precision"], r["profile"]): _counted(r) for r in csv.DictReader(stream)}


def _counted(row: Mapping[str, str]) -> Counted:
    levels = [Misses(float(row[f"l{k}_misses"]), float(row[f"l{k}_streamed"]))
              for k in (1, 2, 3) if row.get(f"l{k}_misses")]
    classes = {name[2:]: float(number) for name, number in row.items() if name.startswith("n_") and number}
    regions = float(row["operators"]) * region_share("tflite")
    return Counted(Work.of_classes(classes, levels, regions, float(row["scheduled_cycles"])), float(row["macs"]),
                   row["runtime"])

"""ncnn's published rows joined with the counts of the same network, on the machine's core, with kernels of its age."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from network import Layer, read_network
from ruamel.yaml import YAML

from edgekit.estimate.price import Misses, Work

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "data" / "ncnn"
# Width and height that ncnn's benchmark gives each network (benchmark/benchncnn.cpp of Tencent/ncnn).
SIDES = {"squeezenet": 227, "alexnet": 227, "blazeface": 128, "squeezenet_ssd": 300, "mobilenet_ssd": 300,
         "mobilenet_yolo": 416, "mobilenetv2_yolov3": 352, "yolov4-tiny": 416, "nanodet_m": 320,
         "yolo-fastest-1.1": 320, "yolo-fastestv2": 352, "vision_transformer": 384, "FastestDet": 352}
USUAL_SIDE = 224
# Wheel -> rows from this date on; those before the first are older than what counts here.
WHEELS = {"1.0.20230517": "2022-11", "1.0.20240102": "2023-11", "1.0.20250916": "2024-12"}
MAX_THREADS = 4
SAME_CORE = {"cortex-a78ae": "cortex-a78"}  # a core without a profile -> the one that it is
_SPELLINGS = {"squeezenet-ssd": "squeezenet_ssd", "mobilenet-yolo": "mobilenet_yolo",
              "squeezenet-int8": "squeezenet_int8"}


@dataclass(frozen=True)
class Row:
    """One measured network: milliseconds, with what was counted for it.

    ``counted``: the core model that has its instructions; ``caches``: their bytes, the first level first.
    """

    machine: str
    soc: str
    core: str
    ghz: float
    gb_s: float
    threads: int
    powersave: int
    network: str
    ms: float
    work: Work
    macs: int
    counted: str
    caches: tuple[float, ...]

    @property
    def setup(self) -> str:
        return f"{self.machine} {self.threads} threads, powersave {self.powersave}"


def side_of(network: str) -> int:
    return SIDES.get(network.removesuffix("_int8"), USUAL_SIDE)


@cache
def layers_of(network: str) -> tuple[Layer, ...]:
    return tuple(read_network(DATA / "params" / f"{network}.param", side_of(network)))


def machines() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = YAML(typ="safe").load(HERE / "machines.yaml")
    return found


def load_rows() -> list[Row]:
    """All rows of the machines listed that have counts."""
    with (DATA / "counts.csv").open() as stream:
        counts = {(r["core"], r["wheel"], r["cache"], r["network"]): r for r in csv.DictReader(stream)}
    with (DATA / "cycles.csv").open() as stream:
        cycles = {(r["counted"], r["wheel"], r["network"], r["core"]): float(r["cycles"])
                  for r in csv.DictReader(stream)}
    with (DATA / "rows.csv").open() as stream:
        published = [r for r in csv.DictReader(stream) if r["recorded_on"] >= min(WHEELS.values())]
    rows = []
    for machine in machines():
        for r in published:
            setup = f"{r['threads']}-{r['powersave']}"
            if not r["device"].startswith(machine["starts"]) or setup not in machine["setups"]:
                continue
            network = _SPELLINGS.get(r["model"], r["model"])
            if r["precision"] == "int8" and not network.endswith("_int8"):
                network += "_int8"
            wheel = max(w for w, since in WHEELS.items() if since <= r["recorded_on"])
            counted = counts.get((machine["counted"], wheel, machine["cache"], network))
            if counted is not None:
                rows.append(Row(machine["machine"], machine["soc"], machine["core"], machine["ghz"], machine["gb_s"],
                                int(r["threads"]), int(r["powersave"]), network, float(r["latency_min_ms"]),
                                work_of(network, counted, cycles[machine["counted"], wheel, network,
                                                                 SAME_CORE.get(machine["core"], machine["core"])]),
                                sum(layer.macs for layer in layers_of(network)), machine["counted"],
                                tuple(int(level.split(":")[0]) * 1024.0 for level in machine["cache"].split("+"))))
    return rows


def work_of(network: str, counted: Mapping[str, str], scheduled: float) -> Work:
    levels = [Misses(float(counted[f"l{k}_misses"]), float(counted[f"l{k}_streamed"]))
              for k in range(1, counted["cache"].count("+") + 2)]
    return Work.of_classes(
        {name[2:]: float(number) for name, number in counted.items() if name.startswith("n_")}, levels,
        regions=sum(layer.regions for layer in layers_of(network)),
        scheduled=scheduled)

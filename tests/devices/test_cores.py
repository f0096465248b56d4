"""Cores: the shipped ones, and what is refused as impossible."""

from __future__ import annotations

from pathlib import Path

import pytest
from profile_support import assert_refused

from edgekit.devices.catalogue import get_core, list_cores, load_core, load_devices
from edgekit.errors import DeviceError

SOURCES = {"part", "variant", "features", "issue_width", "out_of_order", "simd", "macs_per_cycle", "pipeline", "l1d",
           "l2", "latency"}


@pytest.mark.parametrize("id_", list_cores())
def test_shipped_core(id_: str) -> None:
    core = get_core(id_)
    assert list_cores()[id_].read_text().startswith("# yaml-language-server: $schema=core.schema.json\n")
    assert set(core.sources) == SOURCES
    assert core.implementer == (0x51 if id_.startswith(("kryo", "oryon")) else 0x41)
    rates = core.macs_per_cycle
    assert rates.fp16 in (None, 2 * rates.fp32)
    assert rates.dot is None or rates.dot > rates.int8
    assert rates.i8mm is None or rates.dot is not None
    # in order: two or three instructions decoded, a whole vector a cycle at most
    assert core.out_of_order or (core.issue_width <= 3 and rates.fp32 <= 4)


def test_every_core_stands_in_a_device() -> None:
    assert {c.core for d in load_devices().values() for c in d.clusters} == set(list_cores())


def test_midr_tells_cores_apart() -> None:
    """By implementer and part, but for Qualcomm's names of one core in two chips."""
    parts: dict[tuple[int, int], list[str]] = {}
    for id_ in list_cores():
        parts.setdefault((get_core(id_).implementer, get_core(id_).part), []).append(id_)
    assert [ids for ids in parts.values() if len(ids) > 1] == [["kryo-360-gold", "kryo-385-gold"],
                                                               ["kryo-360-silver", "kryo-385-silver"]]
    assert (get_core("kryo").part, get_core("kryo-silver").part, get_core("oryon").part) == (0x205, 0x201, 0x001)


def test_an_unknown_core() -> None:
    with pytest.raises(DeviceError) as failure:
        get_core("cortex-a67")
    assert failure.value.code == "core-unknown"


@pytest.mark.parametrize(("old", "new", "words"), [
    ("dot: 32", "dot: null", "macs_per_cycle: dot: features name asimddp"),
    ("i8mm: null", "i8mm: 64", "macs_per_cycle: i8mm: features lack i8mm"),
    ("fp32: 8", "fp32: 16", "macs_per_cycle: fp32: 16 is more than 2 pipes of 128 bits can do, 8"),
    ("fp32: 8", "fp32: 0", "macs_per_cycle.fp32: must be more than 0, got 0"),
    ("  asimddp]", "  asimddpx]", "emulator: has asimdhp, asimddp, features name asimdhp"),
    ("emulator: cortex-a76", "emulator: cortex-a72",
     "emulator: has none of asimdhp, asimddp, i8mm, features name asimdhp, asimddp"),
    ("emulator: cortex-a76", "emulator: cortex-a77", "emulator: there is no 'cortex-a77'"),
    ("pipeline: cortex-a76", "pipeline: cortex-a67", "pipeline: there is no 'cortex-a67'"),
    ("pipeline: cortex-a76", "pipeline: cortex-a53", "pipeline: the core is out of order, cortex-a53 is not"),
    ("issue_width: 4", "issue_width: 40", "issue_width: must be at most 16, got 40"),
    ("issue_width: 4\n", "", "key 'issue_width' is missing"),
    ("out_of_order: true", "out_of_order: 1", "out_of_order: expected true or false, got 1"),
    ("bits: 128", "bits: 96", "simd.bits: there is no 96"),
    ("ways: 4, latency: 4", "ways: 3, latency: 4", "l1d.ways: does not part 64 KiB into whole sets of 64-byte lines"),
    ("core, latency: 9", "core, latency: 4", "l2: latency 4 is not more than l1d's, 4"),
    ("variant: 0x4", "variant: 0x14", "variant: must be at most 15, got 20"),
    ("  latency: ", "  latencies: ", "sources: no source for 'latency'; 'latencies' is no figure of the profile"),
])
def test_impossible_figures_name_their_field(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert_refused(load_core, list_cores()["cortex-a76"], tmp_path, old, new, words)

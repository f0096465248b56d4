from __future__ import annotations

from pathlib import Path

import pytest
from profile_support import problems

from edgekit.devices.catalogue import (
    get_core,
    get_device,
    known_devices,
    list_cores,
    list_devices,
    load_device,
    load_devices,
)
from edgekit.errors import DeviceError

GOOD = """\
id: board
name: A board
soc: SoC 1
clusters:
  - {core: cortex-a53, count: 4, max_ghz: 1.4, l2_kb: 512}
memory: {kind: LPDDR4, gb_s: 12.8}
ram_mb: 1024
app_budget_mb: 256
os: Linux
processors:
  cpu: {formats: [tflite]}
sources: {soc: a, clusters: b, caches: c, memory: m, ram_mb: c, app_budget_mb: d, os: e}
"""
NPU = """\
accelerators:
  - {name: NPU, kind: npu, takes: [int8], per_channel_weights: false, note: n}
sources: {accelerators: f,"""


def write(folder: Path, text: str) -> Path:
    path = folder / "board.yaml"
    path.write_text(text)
    return path


def test_shipped_profiles() -> None:
    devices = load_devices()
    assert list(devices) == list(list_devices())
    assert {"pixel-1", "pixel-2", "pixel-3", "pixel-3a", "pixel-4", "pixel-6", "pixel-8", "pixel-9", "galaxy-s21",
            "galaxy-s23", "galaxy-s24", "galaxy-s25", "raspberry-pi-zero-2w", "raspberry-pi-3b-plus",
            "raspberry-pi-4b", "raspberry-pi-5", "rk3588", "imx8m-plus", "imx93", "stm32mp257"} <= set(devices)
    assert get_device("pixel-8").cores == 9
    assert known_devices()["rk3588"] == ("cpu",)
    for path in list_devices().values():
        assert path.read_text().startswith("# yaml-language-server: $schema=device.schema.json\n")


@pytest.mark.parametrize("id_", list_devices())
def test_figures_of_a_shipped_profile(id_: str) -> None:
    device = get_device(id_)
    assert {c.core for c in device.clusters} <= set(list_cores())
    android = device.os.startswith("Android")
    assert device.accelerators
    assert set(device.sources) == {"soc", "clusters", "caches", "memory", "ram_mb", "app_budget_mb", "os",
                                   "accelerators"} | ({"api_level"} if android else set())
    # A quarter to an eighth of the memory, whole clusters' second level smaller than the third where there is one.
    assert device.ram_mb / device.app_budget_mb == (8 if android else 4)
    for cluster in device.clusters:
        core = get_core(cluster.core)
        assert cluster.l2_kb > core.l1d.kb
        assert cluster.l2_kb * 1024 % (64 * core.l2.ways) == 0
        # No memory gives every core of a phone as much as its first level could take.
        assert device.memory.gb_s / (cluster.count * cluster.max_ghz) < 64


def test_what_accelerators_leave() -> None:
    """Weights by channel leave the STM32MP257's NPU, and stay on the i.MX 93's."""
    npu, gpu = get_device("stm32mp257").accelerators
    assert (npu.kind, npu.takes, npu.per_channel_weights) == ("npu", ("int8", "uint8"), False)
    assert gpu.kind == "gpu"
    assert [a.per_channel_weights for a in get_device("imx93").accelerators] == [True]


def test_unknown_device_names_the_nearest() -> None:
    with pytest.raises(DeviceError) as failure:
        get_device("pixel8")
    assert (failure.value.code, failure.value.exit_status) == ("device-unknown", 4)
    assert "'pixel-8'" in str(failure.value.next)
    with pytest.raises(DeviceError, match="no file"):
        get_device("nowhere.yaml")


def test_a_profile_from_a_file(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    assert load_device(path).ram_mb == 1024
    assert load_device(path).accelerators == ()
    assert get_device(str(path)).clusters[0].core == "cortex-a53"
    assert load_device(write(tmp_path, GOOD.replace("sources: {", NPU))).accelerators[0].takes == ("int8",)


@pytest.mark.parametrize(("old", "new", "code", "at"), [
    ("id: board", "id: other", "value-wrong", "1:5"),
    ("max_ghz: 1.4", "max_ghz: 1400", "value-wrong", "5:43"),
    ("max_ghz: 1.4", "max_ghz: 0.05", "value-wrong", "5:43"),
    ("max_ghz", "ghz_max", "key-unknown", "5:34"),
    ("cortex-a53", "cortex-a54", "core-unknown", "5:12"),
    ("gb_s: 12.8", "gb_s: 12800", "value-wrong", "6:30"),
    ("gb_s: 12.8", "gb_s: 0.1", "value-wrong", "6:30"),
    ("memory: {kind: LPDDR4, gb_s: 12.8}\n", "", "key-missing", "1:1"),
    ("app_budget_mb: 256", "app_budget_mb: 4096", "value-wrong", "8:16"),
    ("os: Linux", "os: Android 14", "value-wrong", "1:1"),
    ("os: Linux", "os: Linux\napi_level: 34", "value-wrong", "10:12"),
    ("os: Linux", "os: Android 14\napi_level: 3", "value-wrong", "10:12"),
    ("cpu:", "dsp:", "name-unknown", "11:3"),
    ("[tflite]", "[tflit]", "name-unknown", "11:19"),
    ("{soc: a,", "{", "value-wrong", "12:10"),
    ("memory: m,", "", "value-wrong", "12:10"),
    ("{soc: a,", "{soc: a, gpu: x,", "value-wrong", "12:10"),
    ("{soc: a,", "{soc: a, accelerators: x,", "value-wrong", "12:10"),
    ("sources: {", NPU.replace("accelerators: f,", ""), "value-wrong", "14:10"),
    ("sources: {", NPU.replace("int8", "int7"), "name-unknown", "13:36"),
    ("sources: {", NPU.replace("kind: npu", "kind: tpu"), "name-unknown", "13:23"),
    ("sources: {", NPU.replace("note: n}", "note: n}\n  - {name: NPU, kind: gpu, takes: [int8], note: n}"),
     "value-wrong", "13:3"),
])
def test_mistakes_have_a_place(tmp_path: Path, old: str, new: str, code: str, at: str) -> None:
    path = write(tmp_path, GOOD.replace(old, new, 1))
    assert (code, f"{path}:{at}") in [(p.code, p.where) for p in problems(load_device, path)]


def test_one_mistake_is_told_once(tmp_path: Path) -> None:
    problem, = problems(load_device, write(tmp_path, GOOD.replace("max_ghz: 1.4", "max_ghz: 1400")))
    assert problem.message == "clusters.0.max_ghz: must be at most 6, got 1400"


def test_an_unknown_core_names_the_field_and_the_nearest(tmp_path: Path) -> None:
    problem, = problems(load_device, write(tmp_path, GOOD.replace("cortex-a53", "cortex-a54")))
    assert problem.message == "clusters.0.core: there is no model of 'cortex-a54'"
    assert problem.exit_status == 4
    assert "did you mean 'cortex-a5" in str(problem.next)


@pytest.mark.parametrize(("first", "second", "faster"), [
    ("cortex-a55", "cortex-a76", True),
    ("cortex-a76", "cortex-a55", False),
    # Out of order comes before in order, whatever the clocks: a Snapdragon 835 at 1.8 GHz is an Amlogic S922X.
    ("{core: kryo-280-gold, max_ghz: 1.8}", "{core: kryo-280-silver, max_ghz: 1.9}", False),
    ("{core: cortex-a76, max_ghz: 1.8}", "{core: cortex-a76, max_ghz: 1.9}", True),
])
def test_clusters_stand_fastest_first(tmp_path: Path, first: str, second: str, faster: bool) -> None:
    def line(core: str) -> str:
        return f"  - {core[:-1]}, count: 4, l2_kb: 512}}" if core.startswith("{") else \
            f"  - {{core: {core}, count: 4, max_ghz: 1.8, l2_kb: 512}}"
    path = write(tmp_path, "\n".join(f"{line(first)}\n{line(second)}" if row.startswith("  - ") else row
                                     for row in GOOD.splitlines()))
    if not faster:
        assert load_device(path).cores == 8
        return
    problem, = problems(load_device, path)
    assert (problem.code, problem.where) == ("value-wrong", f"{path}:6:5")
    assert problem.message.startswith("clusters.1: ")
    assert "fastest cluster first" in str(problem.next)

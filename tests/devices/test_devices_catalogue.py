from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.devices.catalogue import get_device, known_devices, list_devices, load_device, load_devices
from edgekit.errors import DeviceError, RecipeError

GOOD = """\
id: board
name: A board
soc: SoC 1
clusters:
  - {core: cortex-a53, count: 4, max_ghz: 1.4, l2_kb: 512}
ram_mb: 1024
app_budget_mb: 256
os: Linux
processors:
  cpu: {formats: [tflite]}
sources: {soc: a, clusters: b, caches: c, ram_mb: c, app_budget_mb: d, os: e}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "board.yaml"
    path.write_text(text)
    return path


def test_shipped_profiles() -> None:
    devices = load_devices()
    assert list(devices) == list(list_devices())
    assert {"pixel-6", "pixel-8", "galaxy-s24", "raspberry-pi-zero-2w", "raspberry-pi-3b-plus", "raspberry-pi-4b",
            "raspberry-pi-5", "rk3588", "imx8m-plus"} <= set(devices)
    assert get_device("pixel-8").cores == 9
    assert known_devices()["rk3588"] == ("cpu",)
    for path in list_devices().values():
        assert path.read_text().startswith("# yaml-language-server: $schema=device.schema.json\n")


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
    assert get_device(str(path)).clusters[0].core == "cortex-a53"


@pytest.mark.parametrize(("old", "new", "code", "at"), [
    ("id: board", "id: other", "value-wrong", "1:5"),
    ("max_ghz: 1.4", "max_ghz: 1400", "value-wrong", "5:43"),
    ("max_ghz", "ghz_max", "key-unknown", "5:34"),
    ("app_budget_mb: 256", "app_budget_mb: 4096", "value-wrong", "7:16"),
    ("cpu:", "dsp:", "name-unknown", "10:3"),
    ("[tflite]", "[tflit]", "name-unknown", "10:19"),
    ("{soc: a,", "{", "value-wrong", "11:10"),
    ("{soc: a,", "{soc: a, gpu: x,", "value-wrong", "11:10"),
])
def test_mistakes_have_a_place(tmp_path: Path, old: str, new: str, code: str, at: str) -> None:
    path = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(RecipeError) as failure:
        load_device(path)
    assert (code, f"{path}:{at}") in [(p.code, p.where) for p in failure.value.problems]

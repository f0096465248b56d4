"""The kernel tables that ship."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.devices.catalogue import get_core, load_devices
from edgekit.errors import DeviceError, RecipeError
from edgekit.estimate.kernel_tables import MODELS, get_kernels, list_kernels, load_kernels, model_of

SHIPPED = [("tflite", core) for core in MODELS.values()]


def test_a_core_takes_the_kernels_of_its_instructions() -> None:
    assert model_of(get_core("cortex-a72")) == "cortex-a53"
    assert model_of(get_core("cortex-a55")) == "cortex-a76"
    assert model_of(get_core("cortex-a720")) == "cortex-x3"


@pytest.mark.parametrize(("format_name", "core"), SHIPPED)
def test_tables_are_physical(format_name: str, core: str) -> None:
    """Shares sum to 1; no product takes more than four instructions, and dot products less than a float's."""
    table = get_kernels(format_name, get_core(core))
    assert table.core == core
    for name, kernel in table.kernels.items():
        assert sum(kernel.mix.values()) == pytest.approx(1, abs=0.01), name
        assert kernel.mac <= 4 or not name.startswith(("gemm", "conv", "linear")), name
    assert 0.2 < table.kernels["gemm.float32"].mac < 1
    if core != "cortex-a53":
        assert table.kernels["gemm.int8"].mac < table.kernels["gemm.float32"].mac / 2


def test_every_device_has_kernels() -> None:
    for device in load_devices().values():
        assert get_kernels("tflite", get_core(device.clusters[0].core)).kernels


def test_executorch_shares_xnnpack() -> None:
    table, other = (get_kernels(name, get_core("cortex-a76")) for name in ("executorch", "tflite"))
    assert table.kernels["gemm.float32"] == other.kernels["gemm.float32"]


def test_kernels_that_nobody_counted() -> None:
    with pytest.raises(DeviceError) as failure:
        get_kernels("cubes", get_core("cortex-a53"))
    assert failure.value.code == "kernels-unknown"
    bare = get_core("cortex-a53").model_copy(update={"features": ("fp",)})
    with pytest.raises(DeviceError) as failure:
        get_kernels("tflite", bare)
    assert failure.value.code == "kernels-unknown"


def test_mistakes_are_named(tmp_path: Path) -> None:
    path = tmp_path / "cortex-a53.yaml"
    path.write_text(list_kernels("tflite")["cortex-a53"].read_text().replace("streamed:", "streams:", 1))
    with pytest.raises(RecipeError) as failure:
        load_kernels(path)
    assert any("streams" in str(problem.message) for problem in failure.value.problems)

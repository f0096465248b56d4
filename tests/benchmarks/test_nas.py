"""Architectures of the search spaces have the operators that their papers count."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from edgekit.devices.catalogue import get_core
from edgekit.estimate.kernel_tables import get_kernels

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "nas"


@pytest.fixture
def spaces(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(FOLDER))
    import spaces
    yield spaces
    del sys.modules["spaces"]


@pytest.mark.parametrize(("arch", "millions"), [("333333", 220.12), ("111111", 7.78)])
def test_nasbench201_has_its_published_work(spaces: ModuleType, arch: str, millions: float) -> None:
    """Dong and Yang's own FLOPs, which count the norms too."""
    assert spaces.macs_of(spaces.nasbench201(arch)) / 1e6 == pytest.approx(millions, rel=0.03)


def test_fbnet_has_its_published_work(spaces: ModuleType) -> None:
    """FBNet-A to -C have 249 to 375 M; all blocks with expansion six more, none with expansion one less."""
    imagenet = spaces.SETTINGS["imagenet"]
    most, least = (spaces.macs_of(spaces.fbnet(digit * 22, imagenet)) / 1e6 for digit in "70")
    assert least < 249 < 375 < most < 1000
    small = spaces.macs_of(spaces.fbnet("7" * 22, spaces.SETTINGS["cifar100"])) / 1e6
    assert most / 6 < small < most / 2


def test_edges_that_nothing_reads(spaces: ModuleType) -> None:
    assert spaces.executed("303200") == "303200"  # "none" into the second node: a sum that stays
    assert spaces.executed("430200") == "030200"
    assert spaces.executed("300200") == "300200"
    assert spaces.executed("333300") == "000300"
    assert spaces.executed("333030") == "300030"
    assert spaces.executed("123412") == "123412"
    assert spaces.executed("303003") == "303003"


def test_all_operators_have_kernels(spaces: ModuleType) -> None:
    table = get_kernels("tflite", get_core("cortex-a72")).kernels
    made = [spaces.nasbench201(digit * 6) for digit in "01234"]
    made += [spaces.fbnet(digit * 22, setting) for digit in "01234567" for setting in spaces.SETTINGS.values()]
    assert {op.kernel for operators in made for op in operators} <= set(table)

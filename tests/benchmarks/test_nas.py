"""Architectures of the search spaces have the operators that their papers count."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

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
    assert spaces.executed("333300") == "000300"
    assert spaces.executed("333030") == "300030"
    assert spaces.executed("123412") == "123412"
    assert spaces.executed("303003") == "303003"

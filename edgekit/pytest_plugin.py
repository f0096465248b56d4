"""pytest fixtures for users' own tests: an artifact on an emulated Arm device, held to parity, memory and a baseline.

Loaded by pytest wherever edgekit is installed, so it imports nothing of edgekit before a fixture is used.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from edgekit.types.latency import Counts
    from edgekit.types.measurement import Measurement

__all__ = ["DeviceRun", "EmulatedDevice"]

_SCHEMA = "edgekit/baselines/1"
_UPDATE = "--edgekit-update-baselines"
_MIB = 2**20


class DeviceRun:
    """One artifact's run on an emulated device; see ``measurement`` for all that was found."""

    def __init__(self, measurement: Measurement, key: str, baselines: _Baselines) -> None:
        self.measurement = measurement
        self._key, self._baselines = key, baselines

    @property
    def counts(self) -> Counts:
        """What one warm inference executes."""
        assert self.measurement.counts is not None  # an emulated device always counts
        return self.measurement.counts

    def assert_parity(self) -> None:
        """Fails where the device's outputs are not this machine's, within the tolerance of the artifact's kind."""
        __tracebackhide__ = True
        found = self.measurement.agreement
        if not found.agrees:
            pytest.fail(f"{self._key}: an output is {found.max_abs:.3g} from this machine's, tolerance "
                        f"{found.tolerance:.3g}")

    def assert_fits_memory(self, mib: float | None = None) -> None:
        """Fails where the artifact needs more than ``mib`` MiB, or than the device's profile gives an app."""
        __tracebackhide__ = True
        assert self.measurement.fit is not None  # an emulated device always has a budget
        needs, budget = self.measurement.fit.needs_bytes / _MIB, self.measurement.fit.budget_bytes / _MIB
        allowed = budget if mib is None else mib
        if needs > allowed:
            pytest.fail(f"{self._key}: needs about {needs:.1f} MiB, allowed are {allowed:g} MiB")

    def assert_instructions_within_baseline(self, tolerance: float = 0.0) -> None:
        """Fails where there is no stored baseline, or the instructions exceed it by more than the share ``tolerance``.

        ``pytest --edgekit-update-baselines`` stores what is counted instead.
        """
        __tracebackhide__ = True
        found, runtime = self.counts.instructions, self.measurement.runtime
        if self._baselines.updating:
            self._baselines.store(self._key, found, runtime)
            return
        stored = self._baselines.get(self._key)
        if stored is None:
            pytest.fail(f"{self._key}: no baseline is stored in {self._baselines.file}: run pytest {_UPDATE}")
        if found > stored["instructions"] * (1 + tolerance):
            other = "" if stored["runtime"] == runtime else f", of {stored['runtime']}; this is {runtime}"
            pytest.fail(f"{self._key}: {found:,} instructions, the baseline is {stored['instructions']:,} "
                        f"(+{found / stored['instructions'] - 1:.2%}){other}; where that is right: pytest {_UPDATE}")


class EmulatedDevice:
    """Runs artifacts on the emulated device ``id`` (see ``edgekit devices list``); each once a session."""

    def __init__(self, id: str, threads: int, root: Path, baselines: _Baselines,  # noqa: A002 - the profile's own key
                 done: dict[tuple[str, str], DeviceRun]) -> None:
        self.id, self.threads = id, threads
        self._root, self._baselines, self._done = root, baselines, done

    def run(self, artifact: str | os.PathLike[str], name: str | None = None) -> DeviceRun:
        """Runs it, under its path from pytest's root folder or under ``name``, which baselines are stored by.

        Raises pytest.UsageError for a file outside the root folder without a name, and what
        :func:`edgekit.api.measure` raises: for a file that is missing, broken or does not fit.
        """
        from edgekit import api
        from edgekit.disk import sha256_of
        path = Path(artifact)
        shown = path.resolve()
        if name is None and not shown.is_relative_to(self._root):
            raise pytest.UsageError(f"{path} is outside {self._root}: give it a name that is the same everywhere, "
                                    "run(artifact, name=...)")
        name = name or shown.relative_to(self._root).as_posix()
        key = f"{name} on {self.id}, {self.threads} thread{'s' * (self.threads > 1)}"
        content = sha256_of(path) if path.is_file() else ""
        if (key, content) not in self._done:
            found = api.measure(path, f"emulated:{self.id}", threads=self.threads)
            self._done[key, content] = DeviceRun(found, key, self._baselines)
        return self._done[key, content]


class _Baselines:
    """Instructions by artifact and device in one JSON file, written when the session ends."""

    def __init__(self, file: Path, updating: bool) -> None:
        self.file, self.updating = file, updating
        self._new: dict[str, dict[str, Any]] = {}
        self._stored: dict[str, dict[str, Any]] = {}
        if file.is_file():
            try:
                self._stored = _entries(json.loads(file.read_text(encoding="utf-8")))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise pytest.UsageError(f"{file} does not hold edgekit's baselines ({error!r}): restore it, or delete "
                                        f"it and run pytest {_UPDATE}") from error

    def get(self, key: str) -> dict[str, Any] | None:
        return self._stored.get(key)

    def store(self, key: str, instructions: int, runtime: str) -> None:
        self._new[key] = {"instructions": instructions, "runtime": runtime}

    def write(self) -> None:
        if not self._new:
            return
        document = {"schema": _SCHEMA, "baselines": dict(sorted((self._stored | self._new).items()))}
        made = self.file.with_name(f".{self.file.name}.{os.getpid()}")
        made.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        made.replace(self.file)


def _entries(document: Any) -> dict[str, dict[str, Any]]:
    """The baselines in a document. Raises ValueError, KeyError, TypeError or AttributeError for what is none."""
    if document["schema"] != _SCHEMA:
        raise ValueError(document["schema"])
    for key, entry in document["baselines"].items():
        if type(entry["instructions"]) is not int or type(entry["runtime"]) is not str or entry["instructions"] <= 0:
            raise ValueError(key)
    return dict(document["baselines"])


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("edgekit")
    group.addoption(_UPDATE, action="store_true", help="store the instructions that are counted as the new baselines")
    parser.addini("edgekit_baselines", "file of the stored instruction counts, from the root folder",
                  default="edgekit-baselines.json")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "emulated(*devices): runs the test on each emulated device, given to it by the "
                                       "fixture `device`")
    if config.getoption(_UPDATE) and (hasattr(config, "workerinput") or config.getoption("numprocesses", None)):
        raise pytest.UsageError(f"{_UPDATE} writes one file: run it without -n")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``@pytest.mark.emulated("pixel-8", ...)`` makes one test a device."""
    if marker := metafunc.definition.get_closest_marker("emulated"):
        if "device" not in metafunc.fixturenames or not marker.args:
            raise pytest.UsageError(f"{metafunc.definition.nodeid}: @pytest.mark.emulated takes devices' ids, and a "
                                    "test that has the fixture `device`")
        metafunc.parametrize("device", marker.args, indirect=True)


@pytest.fixture(scope="session")
def _edgekit_baselines(request: pytest.FixtureRequest) -> Iterator[_Baselines]:
    config = request.config
    baselines = _Baselines(config.rootpath / config.getini("edgekit_baselines"), bool(config.getoption(_UPDATE)))
    yield baselines
    baselines.write()


@pytest.fixture(scope="session")
def emulated_device(request: pytest.FixtureRequest, _edgekit_baselines: _Baselines) -> Callable[..., EmulatedDevice]:
    """``emulated_device(id, threads=1)``: an emulated device to run artifacts on."""
    done: dict[tuple[str, str], DeviceRun] = {}

    def make(id: str, threads: int = 1) -> EmulatedDevice:  # noqa: A002 - the profile's own key
        return EmulatedDevice(id, threads, request.config.rootpath, _edgekit_baselines, done)

    return make


@pytest.fixture
def device(request: pytest.FixtureRequest, emulated_device: Callable[..., EmulatedDevice]) -> EmulatedDevice:
    """The emulated device that the marker ``emulated`` names."""
    if not hasattr(request, "param"):
        raise pytest.UsageError(f"{request.node.nodeid}: the fixture `device` needs @pytest.mark.emulated(DEVICE, ...)")
    return emulated_device(request.param)

"""For all tests: a stage cache of their own, and one exported output folder that many of them look at."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from workloads import Exported, write_small

pytest_plugins = ["pytester"]
# Before anything imports torch: on tensors this small a second thread only waits, and two cores are shared with the
# converters' child processes.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A shell that starts the tests in the background has them ignore interrupts, and whatever they start would as well.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def stage_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Tests share a stage cache with each other, and never with the user's own; only the emulator is the user's.

    `make test` sets it up: fetched wheels and compiled runners are the same for everybody.
    """
    from edgekit.disk import cache_folder
    before = os.environ.get("EDGEKIT_CACHE")
    folder = tmp_path_factory.mktemp("cache")
    (folder / "emulator").symlink_to(cache_folder().resolve() / "emulator")
    os.environ["EDGEKIT_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["EDGEKIT_CACHE"]
    else:
        os.environ["EDGEKIT_CACHE"] = before


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, stage_cache: Path) -> Exported:
    """Made once, by the command line, with a budget that it meets."""
    from edgekit.cli.main import run
    folder = tmp_path_factory.mktemp("small")
    workload, recipe = write_small(folder, more="  calibration: {samples: 32}\n"
                                                "budget: {metric_drop: 1.0, size_mb: 1.0, latency_ms: 5}\n")
    status = run(["export", str(workload), "--recipe", str(recipe), "-o", str(folder / "out")])
    return Exported(workload, recipe, folder / "out", status)

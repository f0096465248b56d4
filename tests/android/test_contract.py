"""What edgekit writes, the app's core reads, and the other way round: bundle.json, and the result of a benchmark."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from compile_check import Built, built, fetched, run

from edgekit.contracts import RunSettings
from edgekit.disk import sha256_of
from edgekit.measure.app_result import AppRequest, read_result, target_run
from edgekit.types.app import FLAVORS

__all__ = ["built"]  # a fixture
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", FLAVORS)
def test_a_bundle_through_the_core_and_back(built: Built, name: str) -> None:
    flavor = FLAVORS[name]
    classes = (built.work / "core.jar", fetched("kotlin") / "stdlib.jar", "/usr/share/java/json-android.jar")
    said = run("java", "-XX:TieredStopAtLevel=1", "-cp", os.pathsep.join(map(str, classes)),
               Path(__file__).with_name("AppRun.java"), "a1", name, "some runtime 1.0", flavor.package,
               built.bundle / "main", built.bundle / flavor.name).stdout
    artifact = built.exported / flavor.file
    request = AppRequest("a1", artifact, name, flavor.asset, sha256_of(artifact), flavor.package,
                         RunSettings(warmup=1, repeats=3, threads=2))
    found = target_run(read_result(said.encode(), request), request, emulated=False)
    golden = np.fromfile(built.exported / f"golden/{name}_0_out0.bin", "<f4")
    np.testing.assert_array_equal(found.outputs[0].ravel(), golden)
    assert len(found.golden) == 4
    assert all(check.agrees and check.max_abs == 0 for check in found.golden)
    assert len(found.times_ms) == 3

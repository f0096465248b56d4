"""What is bundled, on Arm64 instructions: every golden vector of every model, by what bundle.json says of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from workloads import Exported

from edgekit.bundle.app import read_app, read_bundle
from edgekit.bundle.runtimes import RUNTIMES
from edgekit.contracts import RunSettings
from edgekit.measure.emulated.target import EmulatedTarget
from edgekit.types.bundle import GoldenTensor


def read(folder: Path, tensor: GoldenTensor) -> np.ndarray:
    return np.fromfile(folder / tensor.file, np.dtype(tensor.dtype).newbyteorder("<")).reshape(tensor.shape)


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNTIMES)
def test_golden_vectors_on_the_emulated_phone(exported: Exported, bundled_app: Path, name: str) -> None:
    app = read_app(bundled_app)
    bundle = read_bundle(app)
    assert bundle is not None
    model = next(m for m in bundle.models if m.format == name)
    target = EmulatedTarget()
    target.prepare("pixel-8", name)
    assets = app.bundle / model.flavor
    for vector in model.golden:
        found = target.run(assets / model.file, [read(assets, t) for t in vector.inputs], RunSettings())
        for output, answer in zip(vector.outputs, found.outputs, strict=True):
            expected = read(assets, output)
            assert (answer.shape, str(answer.dtype)) == (expected.shape, output.dtype)
            assert output.tolerance is not None
            assert np.abs(answer.astype(np.float64) - expected).max() <= output.tolerance

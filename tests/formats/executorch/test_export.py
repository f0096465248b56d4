"""Every scheme that ExecuTorch's table marks yes: a real export, load, run and compare."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_nets import images
from torch import nn

from edgekit.contracts import Inputs, IoSpec, Program, QuantPlan
from edgekit.errors import ConversionError
from edgekit.formats.executorch.format import ExecutorchFormat
from edgekit.formats.executorch.schemes import SUPPORT
from edgekit.types.artifact import Artifact
from edgekit.types.scheme import SCHEMES

FORMAT = ExecutorchFormat()
# Least SQNR in dB of the tiny CNN; simulation of the same schemes reaches about the same.
LEAST = {"fp32": 100.0, "fp16": 50.0, "w8a8-static": 25.0, "w8a8-dynamic": 25.0, "w8-weight-only": 40.0,
         "w4-weight-only": 15.0}


def plan_of(scheme: str, calibration: list[Inputs] | None = None, **more: object) -> QuantPlan:
    given = tuple(calibration or images(8, seed=1)) if SCHEMES[scheme].needs_calibration else ()
    return QuantPlan(scheme=SCHEMES[scheme], calibration=given, **more)  # type: ignore[arg-type]


def export(program: Program, plan: QuantPlan, folder: Path) -> tuple[Artifact, Path]:
    out = folder / "model.pte"
    return FORMAT.export(program, plan, out, folder), out


def sqnr_db(module: nn.Module, path: Path, inputs: list[Inputs]) -> float:
    session = FORMAT.load(path)
    with torch.no_grad():
        exact = np.stack([module(*sample).numpy() for sample in inputs]).astype(np.float64)
    got = np.stack([session.run([t.numpy() for t in sample])[0] for sample in inputs])
    return 10 * np.log10((exact**2).sum() / max(((exact - got) ** 2).sum(), 1e-300))


@pytest.mark.parametrize("scheme", [s for s, cell in SUPPORT.items() if cell.supported])
def test_scheme_runs_and_is_near(scheme: str, cnn_program: Program, tiny_cnn: nn.Module, tmp_path: Path) -> None:
    artifact, path = export(cnn_program, plan_of(scheme), tmp_path)
    assert sqnr_db(tiny_cnn, path, images(16, seed=3)) >= LEAST[scheme]
    assert artifact.macs_delegated_share == 1.0
    weights = [c for op in FORMAT.graph(path).ops if op.kind in SUPPORT[scheme].covers
               for c in op.constants if c.role == "weight"]
    assert {c.dtype for c in weights} <= {SCHEMES[scheme].weights}
    assert weights or scheme == "fp32"


def test_no_has_its_reason(cnn_program: Program, tmp_path: Path) -> None:
    for cell in SUPPORT.values():
        assert cell.supported != bool(cell.reason)
    with pytest.raises(ConversionError) as caught:
        export(cnn_program, plan_of("w8a16-static"), tmp_path)
    assert caught.value.code == "scheme-unsupported"
    assert list(tmp_path.iterdir()) == []


def test_unknown_backend(cnn_program: Program, tmp_path: Path) -> None:
    with pytest.raises(ConversionError) as caught:
        export(cnn_program, plan_of("fp32", options={"backend": "vulkan"}), tmp_path)
    assert caught.value.code == "format-option"


def test_portable_backend(cnn_program: Program, tiny_cnn: nn.Module, tmp_path: Path) -> None:
    artifact, path = export(cnn_program, plan_of("fp32", options={"backend": "portable"}), tmp_path)
    assert artifact.backend == "portable"
    assert {op.processor for op in FORMAT.graph(path).ops} == {"portable"}
    assert artifact.not_delegated == ()
    assert sqnr_db(tiny_cnn, path, images(2)) >= 100


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_integer_borders(dtype: str, cnn_program: Program, tiny_cnn: nn.Module, tmp_path: Path) -> None:
    artifact, path = export(cnn_program, plan_of("w8a8-static", io=IoSpec(dtype=dtype, layout="nhwc")), tmp_path)
    (spec,), (result,) = artifact.inputs, artifact.outputs
    assert (spec.dtype, spec.layout, spec.shape, result.dtype) == (dtype, "nhwc", (1, 32, 32, 3), dtype)
    assert spec.quant is not None
    assert result.quant is not None
    session, (image,) = FORMAT.load(path), images(1, seed=3)[0]
    info = np.iinfo(dtype)
    codes = np.round(image.permute(0, 2, 3, 1).numpy() / spec.quant.scale[0]) + spec.quant.zero_point[0]
    got = session.run([np.clip(codes, info.min, info.max).astype(dtype)])[0]
    real = (got.astype(np.float64) - result.quant.zero_point[0]) * result.quant.scale[0]
    exact = tiny_cnn(image).detach().numpy()
    assert 10 * np.log10((exact**2).sum() / ((exact - real) ** 2).sum()) > 20


def test_integer_borders_need_integers_inside(cnn_program: Program, tmp_path: Path) -> None:
    with pytest.raises(ConversionError) as caught:
        export(cnn_program, plan_of("fp32", io=IoSpec(dtype="int8")), tmp_path)
    assert caught.value.code == "io-dtype"

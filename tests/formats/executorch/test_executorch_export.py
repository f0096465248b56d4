"""Every scheme that ExecuTorch's table marks yes: a real export, load, run and compare."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from executorch_support import FORMAT, export, plan_of, reached, sqnr_db
from small_nets import TinyCnn, images, program_of, sentences, settle
from torch import nn

from edgekit.contracts import FloatRule, IoSpec, Program
from edgekit.errors import ConversionError, UsageError
from edgekit.formats.executorch.schemes import SUPPORT
from edgekit.types.scheme import SCHEMES

# Least SQNR in dB of the tiny CNN; simulation of the same schemes reaches about the same.
LEAST = {"fp32": 100.0, "fp16": 50.0, "w8a8-static": 25.0, "w8a8-dynamic": 25.0, "w8-weight-only": 40.0,
         "w4-weight-only": 15.0}


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


@pytest.mark.parametrize("scheme", ["w8a8-dynamic", "w8a8-static", "w8-weight-only"])
def test_embeddings_are_stored_in_int8(tiny_text: nn.Module, tmp_path: Path, scheme: str) -> None:
    sqnr, artifact, path = reached(tiny_text, scheme, sentences(8), tmp_path)
    assert sqnr > 35
    assert {n.op for n in artifact.not_delegated} == {"quantized_decomposed::embedding_byte", "aten::native_layer_norm"}
    assert all(n.reason for n in artifact.not_delegated)
    assert artifact.kept_float == ()
    graph = FORMAT.graph(path)
    assert graph.inputs[0].dtype == "int64"
    (lookup,) = [op for op in graph.ops if op.kind == "embedding"]
    assert [c.dtype for c in lookup.constants if c.role == "weight"] == ["int8"]
    assert lookup.source.module == "embed"


def test_an_embedding_can_be_kept_float(text_program: Program, tmp_path: Path) -> None:
    keep = (FloatRule("embed", "*", "asked for", "recipe"),)
    artifact, _ = export(text_program, plan_of("w8a8-dynamic", keep_float=keep), tmp_path)
    assert [(k.where, k.reason) for k in artifact.kept_float] == [("embed", "asked for")]
    assert {n.op for n in artifact.not_delegated} == {"aten::embedding", "aten::native_layer_norm"}


def test_a_tied_weight_outside_the_delegate_is_noted(text_program: Program, tmp_path: Path) -> None:
    artifact, _ = export(text_program, plan_of("fp32"), tmp_path)
    assert [n for n in artifact.notes if "stored twice (8192 bytes more)" in n]


def test_weight_only_keeps_activations_exact(tiny_text: nn.Module, tmp_path: Path) -> None:
    sqnr, _, path = reached(tiny_text, "w8-weight-only", sentences(8), tmp_path)
    linear = [op for op in FORMAT.graph(path).ops if op.kind == "linear"]
    assert sqnr > 40
    assert {op.dtype for op in linear} == {"float32"}
    assert {c.dtype for op in linear for c in op.constants if c.role == "weight"} == {"int8"}


def test_keep_float_is_obeyed_and_named(cnn_program: Program, tmp_path: Path) -> None:
    rules = tuple(FloatRule(module, "*", "the test says so", "recipe") for module in ("head", "project"))
    artifact, path = export(cnn_program, plan_of("w8a8-static", keep_float=rules), tmp_path)
    ops = [op for op in FORMAT.graph(path).ops if op.source and op.kind in ("conv", "linear")]
    dtypes = {op.source.module: op.dtype for op in ops if op.source}
    assert dtypes["head"] == dtypes["project.0"] == "float32"
    assert dtypes["stem.0"] == "int8"
    assert {k.where: k.reason for k in artifact.kept_float} == dict.fromkeys(("head", "project.0"), "the test says so")


def test_a_float_sum_between_integers_stays_float(cnn_program: Program, tmp_path: Path) -> None:
    rule = FloatRule("", "add", "the test says so", "widened")
    _, path = export(cnn_program, plan_of("w8a8-static", keep_float=(rule,)), tmp_path)
    sums = [op for op in FORMAT.graph(path).ops if op.kind == "add" and op.source and op.source.module == ""]
    assert [op.dtype for op in sums] == ["float32"]


class Pool(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean([2, 3])  # respelled for XNNPACK, with axes kept and then dropped


class Pooled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.pool, self.head = nn.Conv2d(3, 8, 3), Pool(), nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.pool(self.stem(x)))


@pytest.mark.parametrize("rule", [FloatRule("pool", "*", "the test says so", "recipe"),
                                  FloatRule("pool", "mean", "the test says so", "widened", "mean")])
def test_keep_float_reaches_respelled_operators(rule: FloatRule, tmp_path: Path) -> None:
    _, plain, path = reached(Pooled(), "w8a8-static", images(4), tmp_path)
    assert {op.dtype for op in FORMAT.graph(path).ops if op.kind == "mean"} == {"int8"}
    assert plain.kept_float == ()
    _, artifact, path = reached(Pooled(), "w8a8-static", images(4), tmp_path, keep_float=(rule,))
    assert {op.dtype for op in FORMAT.graph(path).ops if op.kind == "mean"} == {"float32"}
    assert ("XNNGlobalAvgPooling2d", "pool", "the test says so") in {
        (k.op, k.where, k.reason) for k in artifact.kept_float}


def test_convolutions_over_three_axes_are_refused(tmp_path: Path) -> None:
    volume = torch.randn(1, 2, 4, 4, 4)
    with pytest.raises(ConversionError) as caught:
        reached(nn.Sequential(nn.Conv3d(2, 3, 3)), "fp32", [(volume,)], tmp_path)
    assert "3-D convolution" in caught.value.message
    assert caught.value.where.startswith("0")
    assert not list(tmp_path.glob("*.pte*"))


def test_static_without_calibration(cnn_program: Program, tmp_path: Path) -> None:
    plan = plan_of("w8a8-static")
    with pytest.raises(UsageError) as caught:
        export(cnn_program, type(plan)(scheme=plan.scheme), tmp_path)
    assert caught.value.code == "calibration-missing"


def test_dynamic_batch(tiny_cnn: nn.Module, tmp_path: Path) -> None:
    program = program_of(tiny_cnn, images(1)[0], dynamic_batch=True)
    artifact, path = export(program, plan_of("w8a8-static"), tmp_path)
    assert artifact.inputs[0].shape == ("batch", 3, 32, 32)
    assert any("batch" in note for note in artifact.notes)
    for batch in (1, 3, 5):
        assert sqnr_db(tiny_cnn, path, images(2, batch=batch, seed=3)) > 25


def test_float16_leaves_the_program_alone(tmp_path: Path) -> None:
    module = settle(TinyCnn(), images(2, batch=4))
    program = program_of(module, images(1)[0])
    export(program, plan_of("fp16"), tmp_path)
    assert {v.dtype for v in program.exported.state_dict.values() if v.is_floating_point()} == {torch.float32}

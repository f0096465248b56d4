"""Convolutions over one axis: XNNPACK's own pass for them breaks shared layers and layers that stay float."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from executorch_support import FORMAT, export, plan_of, reached, sqnr_db
from small_nets import program_of
from torch import nn

from edgekit.contracts import FloatRule, Inputs, IoSpec

KEEP_B = (FloatRule("b", "*", "for the test", "recipe"),)
STEPS = 40


def signals(batch: int = 1, count: int = 4) -> list[Inputs]:
    generator = torch.Generator().manual_seed(batch)
    return [(torch.randn(batch, 4, STEPS, generator=generator),) for _ in range(count)]


class Three(nn.Module):
    def __init__(self, *, transposed: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a = nn.Conv1d(4, 8, 3, padding=1)
        self.b = nn.ConvTranspose1d(8, 8, 4, stride=2, padding=1) if transposed else nn.Conv1d(8, 8, 3, padding=1)
        self.c = nn.Conv1d(8, 8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.c(torch.relu(self.b(torch.relu(self.a(x)))))


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.c = nn.Conv1d(4, 4, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.c(torch.relu(self.c(x)))


class Residual(nn.Module):
    """A pad before a stride, a depthwise layer behind a causal pad, a residual sum, a mean over time."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv1d(4, 16, 5, stride=2)
        self.depth, self.point = nn.Conv1d(16, 16, 3, groups=16), nn.Conv1d(16, 16, 1)
        self.head = nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu6(self.stem(F.pad(x, (2, 1))))
        y = F.hardswish(self.point(torch.relu(self.depth(F.pad(x, (2, 0))))))
        return self.head((x + y).mean(-1))


@pytest.mark.parametrize("transposed", [False, True])
def test_float_layer_between_integer_ones(transposed: bool, tmp_path: Path) -> None:
    sqnr, artifact, path = reached(Three(transposed=transposed), "w8a8-static", signals(), tmp_path, keep_float=KEEP_B)
    assert sqnr > 35
    assert [kept.where for kept in artifact.kept_float] == ["b"]
    weighted = [op for op in FORMAT.graph(path).ops if op.macs]
    assert [(op.source.module, op.dtype) for op in weighted if op.source] == [
        ("a", "int8"), ("b", "float32"), ("c", "int8")]


def test_transposed_layer_is_integer_too(tmp_path: Path) -> None:
    sqnr, artifact, path = reached(Three(transposed=True), "w8a8-static", signals(), tmp_path)
    assert sqnr > 35
    assert artifact.kept_float == ()
    graph = FORMAT.graph(path)
    assert {op.dtype for op in graph.ops if op.macs} == {"int8"}
    assert graph.macs == 8 * 4 * 3 * STEPS + 8 * 8 * 4 * STEPS + 8 * 8 * 3 * (2 * STEPS - 2)


@pytest.mark.parametrize(("scheme", "least"), [
    ("fp32", 100), ("fp16", 50), ("w8a8-static", 35), ("w8a8-dynamic", 100), ("w8-weight-only", 100)])
def test_layer_used_twice(scheme: str, least: float, tmp_path: Path) -> None:
    sqnr, artifact, path = reached(Twice(), scheme, signals(), tmp_path)
    assert sqnr > least
    assert {n.op for n in artifact.not_delegated} <= {"dim_order_ops::_to_dim_order_copy"}  # float16's border
    graph = FORMAT.graph(path)
    assert graph.macs == 2 * 4 * 4 * 3 * STEPS
    assert {c.bytes for op in graph.ops for c in op.constants if c.role == "weight"} == {
        4 * 4 * 3 * (1 if scheme == "w8a8-static" else 4)}


def test_dynamic_ranges_leave_signals_float_with_a_reason(tmp_path: Path) -> None:
    sqnr, artifact, path = reached(Three(), "w8a8-dynamic", signals(), tmp_path)
    assert sqnr > 100
    assert {kept.where for kept in artifact.kept_float} == {"a", "b", "c"}
    assert all("over 1 axes" in kept.reason for kept in artifact.kept_float)
    # nothing turns back to a signal between the layers, and activations run in their kernels
    assert [op.name for op in FORMAT.graph(path).ops] == [
        "XNNStaticReshape", "XNNStaticTranspose", *["XNNConv2d"] * 3, "XNNStaticTranspose", "XNNStaticReshape"]


@pytest.mark.parametrize(("scheme", "least"), [("fp32", 100), ("w8a8-static", 30)])
def test_pads_sums_and_means_of_signals(scheme: str, least: float, tmp_path: Path) -> None:
    sqnr, artifact, path = reached(Residual(), scheme, signals(), tmp_path)
    assert sqnr > least
    assert artifact.not_delegated == ()
    assert [op.kind for op in FORMAT.graph(path).ops if op.macs] == ["conv", "depthwise_conv", "conv", "linear"]


@pytest.mark.parametrize("scheme", ["fp32", "w8a8-static"])
@pytest.mark.parametrize("module", [Twice(), Three(transposed=True)], ids=lambda m: type(m).__name__)
def test_dynamic_batch(module: nn.Module, scheme: str, tmp_path: Path) -> None:
    module.eval()
    program = program_of(module, signals(2)[0], dynamic_batch=True)
    artifact, path = export(program, plan_of(scheme, signals(2), keep_float=KEEP_B), tmp_path)
    assert artifact.not_delegated == ()
    for batch in (1, 3):
        assert sqnr_db(module, path, signals(2) + signals(batch, 1)) > (100 if scheme == "fp32" else 25)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_integer_signals_in_and_out(dtype: str, tmp_path: Path) -> None:
    module, inputs = Three().eval(), signals()
    _, path = export(program_of(module, inputs[0]), plan_of("w8a8-static", inputs, io=IoSpec(dtype=dtype)), tmp_path)
    session = FORMAT.load(path)
    given, taken = session.inputs[0], session.outputs[0]
    assert (given.dtype, taken.dtype) == (dtype, dtype)
    limits = torch.iinfo(getattr(torch, dtype))
    codes = (inputs[0][0] / given.quant.scale[0] + given.quant.zero_point[0]).round().clamp(limits.min, limits.max)
    got = torch.from_numpy(session.run([codes.to(getattr(torch, dtype)).numpy()])[0]).float()
    real = (got - taken.quant.zero_point[0]) * taken.quant.scale[0]
    with torch.no_grad():
        assert (real - module(*inputs[0])).abs().max() < 0.1


def test_cause_is_what_failed_first() -> None:
    from edgekit.formats.executorch.export import _shortened

    wrapped = RuntimeError("An error occurred when running the 'Some' pass")
    wrapped.__cause__ = ValueError("the reason")
    assert _shortened(wrapped) == "ValueError: the reason"

"""Attention with a relative-position bias, and products with a constant matrix."""

import pytest
import torch
import torch.nn.functional as F
from small_nets import program_of
from torch import nn

from edgekit.contracts import QuantPlan
from edgekit.errors import ConversionError
from edgekit.formats.onnx import export
from edgekit.formats.onnx.format import OnnxFormat
from edgekit.quantize.policy import default_rules
from edgekit.types.scheme import SCHEMES
from edgekit.verify.compare import sqnr_db
from edgekit.verify.predictor import predictor
from edgekit.verify.proof import prove

FORMAT = OnnxFormat()
N = 16


class Windowed(nn.Module):
    """Swin's attention, its bias without a batch; the attention itself is an output, too."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.p, self.b = nn.Linear(16, 48), nn.Linear(16, 16), nn.Parameter(torch.randn(2, N, N))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        q, k, v = self.qkv(x).reshape(-1, N, 3, 2, 8).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=self.b[None])
        return self.p(y.transpose(1, 2).reshape(-1, N, 16)), y


class Product(nn.Module):
    """A constant on the left of a product."""

    def __init__(self) -> None:
        super().__init__()
        self.w, self.l = nn.Parameter(torch.randn(10, 12)), nn.Linear(6, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.l(self.w @ x)


def checked(module: nn.Module, shape: tuple[int, ...], names: tuple[str, ...], scheme: str, floor: float, folder,
            **settings) -> None:
    generator = torch.Generator().manual_seed(1)
    samples = [(torch.randn(shape, generator=generator),) for _ in range(8)]  # all calibrate: none clips
    program = program_of(module, samples[0], output_names=names, **settings)
    before = str(program.exported.graph)
    plan = QuantPlan(SCHEMES[scheme], calibration=tuple(samples) if SCHEMES[scheme].needs_calibration else (),
                     keep_float=tuple(default_rules(program, SCHEMES[scheme])))
    artifact = FORMAT.export(program, plan, folder / "m.onnx", folder / "scratch")
    assert str(program.exported.graph) == before
    predict = predictor(FORMAT.load(folder / "m.onnx"), program.example, program.input_names)
    for (x,) in samples[4:]:
        with torch.no_grad():
            wanted, found = module(x), predict(x)
        pairs = zip(wanted, found, strict=True) if isinstance(wanted, tuple) else [(wanted, found)]
        for want, got in pairs:
            near = sqnr_db(want.numpy(), got.numpy())
            assert near is None or near > floor
    assert prove(FORMAT.graph(folder / "m.onnx"), artifact, plan, FORMAT.supports()[scheme]) == []


@pytest.mark.parametrize(("scheme", "floor"), [("fp32", 100), ("fp16", 50), ("w8a8-static", 25), ("w8a8-dynamic", 25),
                                               ("w8-weight-only", 30), ("w4-weight-only", 12)])
def test_attention_with_an_unsqueezed_bias(scheme, floor, tmp_path):
    torch.manual_seed(0)
    checked(Windowed().eval(), (4, N, 16), ("out", "heads"), scheme, floor, tmp_path)


def test_attention_with_an_unsqueezed_bias_and_any_batch(tmp_path):
    torch.manual_seed(0)
    checked(Windowed().eval(), (4, N, 16), ("out", "heads"), "fp32", 100, tmp_path, dynamic_batch=True)


def test_an_export_that_fails_says_where(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "_settled", lambda exported: exported)
    program = program_of(Windowed().eval(), (torch.randn(4, N, 16),), output_names=("out", "heads"))
    with pytest.raises(ConversionError, match="cannot be exported") as caught:
        FORMAT.export(program, QuantPlan(SCHEMES["fp32"]), tmp_path / "m.onnx", tmp_path / "scratch")
    assert "Cannot view" in caught.value.cause
    assert "test_onnx_attention.py:" in caught.value.where


@pytest.mark.parametrize(("scheme", "floor"), [("w8a8-static", 25), ("w8a8-dynamic", 25), ("w8-weight-only", 30),
                                               ("w4-weight-only", 12)])
def test_a_product_with_a_constant_on_the_left(scheme, floor, tmp_path):
    torch.manual_seed(0)
    checked(Product().eval(), (1, 12, 6), ("out",), scheme, floor, tmp_path)

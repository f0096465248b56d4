"""Multiply-accumulates that a file's shapes tell, in whatever scheme."""

import pytest
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper
from small_nets import program_of
from torch import nn

from edgekit.contracts import QuantPlan
from edgekit.formats.onnx.format import OnnxFormat
from edgekit.formats.onnx.macs import macs_of
from edgekit.formats.onnx.names import Names
from edgekit.types.scheme import SCHEMES
from edgekit.verify.compare import sqnr_db
from edgekit.verify.proof import prove

FORMAT = OnnxFormat()


def test_float16_keeps_the_macs_behind_a_resize_and_a_pool(tmp_path):
    class Resized(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
            self.c, self.out = nn.Conv2d(8, 6, 1), nn.Linear(6, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.c(F.interpolate(self.b(torch.relu(self.a(x))), scale_factor=2, mode="bilinear"))
            return self.out(F.adaptive_avg_pool2d(x, 1).flatten(1))

    torch.manual_seed(0)
    module, x = Resized().eval(), torch.randn(1, 3, 8, 8)
    program, macs = program_of(module, (x,)), {}
    for scheme in ("fp32", "fp16"):
        FORMAT.export(program, QuantPlan(SCHEMES[scheme]), tmp_path / scheme, tmp_path / "scratch")
        macs[scheme] = FORMAT.graph(tmp_path / scheme).macs
        with torch.no_grad():
            found = sqnr_db(module(x).numpy(), FORMAT.load(tmp_path / scheme).run([x.numpy()])[0])
        assert found is None or found > 50
    assert macs["fp16"] == macs["fp32"] == 8 * 8 * (8 * 3 * 9 + 8 * 8 * 9) + 16 * 16 * 8 * 6 + 6 * 4


class Mixed(nn.Module):
    """A linear layer, and products that only an einsum spells: with a parameter, and of two activations."""

    def __init__(self) -> None:
        super().__init__()
        self.l, self.u = nn.Linear(12, 16), nn.Parameter(torch.randn(4, 16, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        heads = torch.einsum("btd,hde->bthe", self.l(x), self.u)
        return torch.einsum("bthe,bshe->bhts", heads, heads)


@pytest.mark.parametrize("scheme", ["fp32", "fp16", "w8a8-static", "w8a8-dynamic", "w8-weight-only", "w4-weight-only"])
def test_an_einsum_is_counted_and_named_as_float(scheme, tmp_path):
    torch.manual_seed(0)
    module, x = Mixed().eval(), torch.randn(1, 6, 12)
    plan = QuantPlan(SCHEMES[scheme], calibration=((x,),) if SCHEMES[scheme].needs_calibration else ())
    artifact = FORMAT.export(program_of(module, (x,)), plan, tmp_path / "m.onnx", tmp_path / "scratch")
    graph = FORMAT.graph(tmp_path / "m.onnx")
    products = [op for op in graph.ops if op.name == "Einsum"]
    with_weight, without = 6 * 16 * 4 * 8, 6 * 6 * 4 * 8
    assert sorted(op.macs for op in products) == [without, with_weight]
    assert graph.macs == 6 * 12 * 16 + with_weight + without
    assert [(c.role, c.shape) for op in products for c in op.constants] == [("weight", (4, 16, 8))]
    named = {(k.op, k.bytes, k.macs, k.reason) for k in artifact.kept_float}
    reason = "ONNX Runtime has no integer Einsum"
    expected = {("matmul", 4 * 16 * 8 * 4, with_weight, reason)} if SCHEMES[scheme].quantized else set()
    assert named == (expected | {("matmul", 0, without, reason)} if scheme == "w8a8-static" else expected)
    assert prove(graph, artifact, plan, FORMAT.supports()[scheme]) == []
    with torch.no_grad():
        found = sqnr_db(module(x).numpy(), FORMAT.load(tmp_path / "m.onnx").run([x.numpy()])[0])
    assert found is None or found > (12 if scheme == "w4-weight-only" else 25)


@pytest.mark.parametrize(("equation", "shapes", "macs"), [
    ("ij,jk->ik", [(2, 3), (3, 5)], 30),
    ("ij,jk", [(2, 3), (3, 5)], 30),
    ("...ij, ...jk -> ...ik", [(7, 1, 2, 3), (4, 3, 5)], 7 * 4 * 30),
    ("i,i->", [(9,), (9,)], 9),
    ("i,j,k->ijk", [(2,), (3,), (4,)], 24),
    ("bij->bji", [(2, 3, 4)], 0),
])
def test_macs_of_an_einsum(equation, shapes, macs):
    inputs = [helper.make_tensor_value_info(f"x{i}", TensorProto.FLOAT, shape) for i, shape in enumerate(shapes)]
    node = helper.make_node("Einsum", [v.name for v in inputs], ["y"], equation=equation)
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    assert macs_of(node, Names(helper.make_model(helper.make_graph([node], "g", inputs, [result])))) == macs

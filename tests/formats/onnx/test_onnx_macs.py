"""Multiply-accumulates that a file's shapes tell, in whatever scheme."""

import torch
import torch.nn.functional as F
from small_nets import program_of
from torch import nn

from edgekit.contracts import QuantPlan
from edgekit.formats.onnx.format import OnnxFormat
from edgekit.types.scheme import SCHEMES
from edgekit.verify.compare import sqnr_db

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

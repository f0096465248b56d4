"""Operators and shapes that ONNX Runtime or its quantiser handle badly when asked naively."""

import pytest
import torch
import torch.nn.functional as F
from small_nets import program_of, programs_of, workload_of
from torch import nn

from edgekit.contracts import FloatRule, QuantPlan
from edgekit.formats.onnx.format import OnnxFormat
from edgekit.quantize.policy import default_rules
from edgekit.types.scheme import SCHEMES
from edgekit.verify.compare import sqnr_db
from edgekit.verify.predictor import predictor
from edgekit.verify.proof import prove

FORMAT = OnnxFormat()


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.gru = nn.LSTM(8, 16, batch_first=True), nn.GRU(16, 16, batch_first=True, bidirectional=True)
        self.out = nn.Linear(32, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.gru(self.lstm(x)[0])[0][:, -1])


class LongAttention(nn.Module):
    """Query and key apart, so that in_proj_weight is cut into three; 512 keys."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.attention = nn.Linear(16, 32), nn.MultiheadAttention(32, 2, batch_first=True)
        self.out = nn.Linear(32, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x)
        return self.out(self.attention(4 * x, 4 * x, x, need_weights=False)[0])


class Mixed(nn.Module):
    """max_pool2d without a stride, transposed convolution, constant pad, static slices, resize, 4-D softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.up = nn.Conv2d(3, 8, 3, padding=1), nn.ConvTranspose2d(8, 8, 2, 2)
        self.head, self.act = nn.Conv2d(8, 4, 3, padding=1), nn.PReLU(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.pad(self.up(F.max_pool2d(F.silu(self.conv(x)), 2)), (1, 1, 1, 1))
        x = self.act(self.head(torch.cat([x[:, :4], x[:, 4:].flip(1)], 1)))
        return torch.softmax(4 * F.interpolate(x, scale_factor=2.0, mode="bilinear"), -1)


CASES = {"recurrent": (Recurrent, (1, 12, 8)), "attention": (LongAttention, (1, 512, 16)),
         "mixed": (Mixed, (1, 3, 16, 16))}
SHARED = {"fp32": 100, "fp16": 50, "w8a8-static": 26, "w8a8-dynamic": 30, "w8-weight-only": 32, "w4-weight-only": 14,
          "w8a16-static": 32}


@pytest.fixture(scope="module")
def programs():
    return programs_of(CASES)


@pytest.mark.parametrize("scheme", SHARED)
@pytest.mark.parametrize("case", CASES)
def test_every_scheme_stays_near_the_float_model(case, scheme, programs, tmp_path_factory):
    module, program, shape = programs[case]
    generator = torch.Generator().manual_seed(1)
    samples = [(torch.randn(shape, generator=generator),) for _ in range(16)]
    plan = QuantPlan(SCHEMES[scheme], calibration=tuple(samples[:8]) if SCHEMES[scheme].needs_calibration else (),
                     keep_float=tuple(default_rules(program, SCHEMES[scheme])))
    folder = tmp_path_factory.getbasetemp() / "operators" / case
    path = folder / f"{scheme}.onnx"
    artifact = FORMAT.export(program, plan, path, folder / "scratch")
    predict = predictor(FORMAT.load(path), program.example, program.input_names)
    with torch.no_grad():
        wanted = torch.cat([module(*x) for x in samples[8:]]).numpy()
    found = sqnr_db(wanted, torch.cat([predict(*x) for x in samples[8:]]).numpy())
    assert found is None or found >= SHARED[scheme]
    assert prove(FORMAT.graph(path), artifact, plan, FORMAT.supports()[scheme]) == []


def test_an_int8_recurrent_net_is_smaller_and_says_what_stays(programs, tmp_path):
    _, program, _ = programs["recurrent"]
    calibration = (program.example,)
    sizes = {}
    for scheme in ("fp32", "w8a8-static"):
        artifact = FORMAT.export(program, QuantPlan(SCHEMES[scheme], calibration=calibration), tmp_path / scheme,
                                 tmp_path / "scratch")
        sizes[scheme] = artifact.weight_bytes_by_dtype["float32"]
    assert sizes["w8a8-static"] < 0.1 * sizes["fp32"]
    assert "recurrent layers store int8 and compute in float" in FORMAT.supports()["w8a8-static"].note


def test_a_recurrent_weight_too_large_for_the_exporter_to_fold_is_int8_too(tmp_path):
    torch.manual_seed(0)
    network = Recurrent()
    network.lstm, network.gru = nn.LSTM(8, 64, batch_first=True), nn.GRU(64, 16, batch_first=True, bidirectional=True)
    program = program_of(network.eval(), (torch.randn(1, 4, 8),))
    artifact = FORMAT.export(program, QuantPlan(SCHEMES["w8-weight-only"]), tmp_path / "m.onnx", tmp_path / "scratch")
    assert artifact.kept_float == ()
    lstm = next(op for op in FORMAT.graph(tmp_path / "m.onnx").ops if op.name == "LSTM")
    assert {(c.shape, c.dtype) for c in lstm.constants if c.role == "weight"} == {
        ((1, 256, 8), "int8"), ((1, 256, 64), "int8")}


def test_several_inputs_and_outputs_keep_the_programs_order(tmp_path):
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.mix = nn.Embedding(16, 8), nn.Linear(8, 4)

        def forward(self, scale: torch.Tensor, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            x = self.mix(self.table(tokens)) * scale
            return x.sum(1), x

    from edgekit.workload.capture import capture

    torch.manual_seed(0)
    module, inputs = Two().eval(), (torch.full((1, 1, 4), 2.0), torch.arange(6)[None])
    program = capture(workload_of(module, inputs, output_names=("total", "each")))
    artifact = FORMAT.export(program, QuantPlan(SCHEMES["w8a8-dynamic"]), tmp_path / "m.onnx", tmp_path / "scratch")
    assert [s.name for s in artifact.inputs] == ["scale", "tokens"]
    assert [s.dtype for s in artifact.inputs] == ["float32", "int64"]
    assert [s.name for s in artifact.outputs] == ["total", "each"]
    total, each = FORMAT.load(tmp_path / "m.onnx").run([x.numpy() for x in inputs])
    assert (total.shape, each.shape) == ((1, 4), (1, 6, 4))
    assert sqnr_db(module(*inputs)[1].detach().numpy(), each) > 30


def test_a_fused_float_linear_is_still_its_modules(tmp_path):
    """A Gemm that ORT fuses reads another operator's result where a convolution has its weight."""

    class Pooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(torch.relu(self.conv(x)).mean((2, 3)))

    torch.manual_seed(0)
    samples = [(torch.randn(1, 3, 8, 8),) for _ in range(4)]
    plan = QuantPlan(SCHEMES["w8a8-static"], calibration=tuple(samples), keep_float=(
        FloatRule("", "mean", "here", "widened", "mean"), FloatRule("head", "linear", "here", "widened", "linear")))
    artifact = FORMAT.export(program_of(Pooled().eval(), samples[0]), plan, tmp_path / "m.onnx", tmp_path / "s")
    assert [k.where for k in artifact.kept_float] == ["head"]
    linear = next(op for op in FORMAT.graph(tmp_path / "m.onnx").ops if op.kind == "linear")
    assert linear.source.module == "head"

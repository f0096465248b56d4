"""What litert-torch, ai-edge-quantizer and LiteRT get wrong, on small networks made for each case."""

import pytest
import torch
from small_nets import workload_of
from torch import nn

from edgekit.contracts import FloatRule, QuantPlan, Workload
from edgekit.errors import ConversionError
from edgekit.formats.tflite.check import refusal
from edgekit.formats.tflite.flatbuffer import edit, operator_name, read_graph, save
from edgekit.formats.tflite.format import TfliteFormat
from edgekit.types.scheme import SCHEMES
from edgekit.verify.compare import sqnr_db
from edgekit.verify.layers import layer_errors
from edgekit.verify.predictor import predictor
from edgekit.workload.capture import capture

FORMAT = TfliteFormat()


def noise(*shape: int, count: int = 16, seed: int = 0) -> list[tuple[torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    return [(torch.randn(1, *shape, generator=generator),) for _ in range(count)]


def captured(module: nn.Module, example: tuple[torch.Tensor, ...], outputs: int = 1):
    workload: Workload = workload_of(module, example)
    workload.output_names = tuple(f"out_{i}" for i in range(outputs))
    return capture(workload)


def export(module, samples, folder, scheme="w8a8-static", outputs=1, **settings):
    """The artifact, its path, and dB per output against the module."""
    program = captured(module.eval(), samples[0], outputs)
    path = folder / f"{scheme}.tflite"
    plan = QuantPlan(SCHEMES[scheme], "minmax", tuple(samples), **settings)
    artifact = FORMAT.export(program, plan, path, folder / "scratch")
    predict, wanted, found = predictor(FORMAT.load(path), program.example, program.input_names), [], []
    for sample in samples:
        with torch.no_grad():
            exact, given = module(*sample), predict(*sample)
        wanted.append([exact] if outputs == 1 else list(exact))
        found.append([given] if outputs == 1 else list(given))
    decibels = [sqnr_db(torch.stack([w[i] for w in wanted]).numpy(), torch.stack([f[i] for f in found]).numpy())
                for i in range(outputs)]
    return artifact, path, [float("inf") if d is None else d for d in decibels]


class Linears(nn.Module):
    def __init__(self, again: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.again = nn.Linear(6, 8), nn.Linear(8, 4), again

    def forward(self, x):
        hidden = torch.relu(self.first(x))
        return hidden, torch.softmax(self.second(hidden), -1), x


def test_an_output_that_is_also_read_inside(tmp_path):
    _, path, decibels = export(Linears(), noise(6), tmp_path, outputs=3)
    assert min(decibels) > 28
    session = FORMAT.load(path)
    assert [s.name for s in session.outputs] == ["out_0", "out_1", "out_2"]
    assert [s.name for s in session.inputs] == ["x"]
    assert all(s.dtype == "float32" for s in session.outputs)
    assert all(op.dtype == "int8" for op in FORMAT.graph(path).ops if op.kind in ("linear", "softmax"))


class Upscale(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.up = nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1)

    def forward(self, x):
        return torch.relu(self.up(x))


def test_the_usual_transposed_convolution(tmp_path):
    artifact, path, (exact,) = export(Upscale(), noise(3, 8, 8), tmp_path, "fp32")
    assert exact > 100
    assert artifact.outputs[0].shape == (1, 4, 16, 16)
    (op,) = [op for op in FORMAT.graph(path).ops if op.kind == "conv_transpose"]
    assert op.source.module == "up"
    assert op.macs == 3 * 8 * 8 * 9 * 4
    assert export(Upscale(), noise(3, 8, 8), tmp_path)[2][0] > 30


class Pointwise(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.mix = nn.Linear(3, 5)

    def forward(self, x):
        return self.mix(x.permute(0, 2, 3, 1))


def test_a_bias_of_four_dimensions_and_an_operator_that_the_runtime_refuses(tmp_path):
    """LiteRT says "num_scales must be 1" of such a bias: flat it loads, and else its operator stays float, by name."""
    samples = noise(3, 8, 8)
    assert not export(Pointwise(), samples, tmp_path)[0].kept_float
    broken = tmp_path / "scratch" / "float-nchw.tflite"
    model = edit(broken)
    for op in model.subgraphs[0].operators:
        if operator_name(model, op) == "FULLY_CONNECTED":
            model.subgraphs[0].tensors[op.inputs[2]].shape = [1, 1, 1, 5]
    save(model, broken)
    artifact, _, (decibels,) = export(Pointwise(), samples, tmp_path)
    (kept,) = artifact.kept_float
    assert (kept.op, kept.where) == ("FULLY_CONNECTED", "mix")
    assert "num_scales" in kept.reason
    assert any("num_scales" in note for note in artifact.notes)
    assert decibels > 30

    raw = tmp_path / "scratch" / "converted.tflite"
    model = edit(raw)
    for op in model.subgraphs[0].operators:
        if operator_name(model, op) == "FULLY_CONNECTED":
            model.subgraphs[0].tensors[op.inputs[2]].shape = [1, 1, 1, 5]
    save(model, raw)
    broken.unlink()
    assert not export(Pointwise(), samples, tmp_path)[0].kept_float
    assert {t.shape for t in read_graph(broken).tensors if t.name.endswith(".bias")} == {(5,)}


class Pooled(nn.Module):
    """The stem of a ResNet: its padded max pooling reads minus infinity at the edges."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.pool, self.head = nn.Conv2d(3, 8, 3), nn.MaxPool2d(3, 2, 1), nn.Conv2d(8, 4, 1)

    def forward(self, x):
        return self.head(self.pool(self.stem(x)))


def test_padded_max_pooling_is_int8(tmp_path):
    artifact, path, (decibels,) = export(Pooled(), noise(3, 16, 16), tmp_path)
    assert decibels > 30
    assert not artifact.kept_float
    assert {op.dtype for op in FORMAT.graph(path).ops if op.kind in ("max_pool", "conv", "pad")} == {"int8"}


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.attend, self.norm = nn.MultiheadAttention(8, 2, batch_first=True), nn.LayerNorm(8)

    def forward(self, x):
        return self.norm(x + self.attend(x, x, x, need_weights=False)[0])


def test_softmax_and_matmul_stay_float_by_rule(tmp_path):
    rules = (FloatRule("attend", "softmax", "long", "rule"), FloatRule("attend", "matmul", "long", "rule"),
             FloatRule("norm", "*", "needs precision", "rule"))
    artifact, path, (kept,) = export(Attention(), noise(12, 8), tmp_path, keep_float=rules)
    graph = FORMAT.graph(path)
    assert {op.dtype for op in graph.ops if op.kind in ("softmax", "matmul", "rsqrt")} == {"float32"}
    assert {op.dtype for op in graph.ops if op.kind == "linear"} == {"int8"}
    assert {k.reason for k in artifact.kept_float} == {"long", "needs precision"}
    assert kept > export(Attention(), noise(12, 8), tmp_path)[2][0]


class Masked(nn.Module):
    """Attention written out, with a mask of float32's lowest number and a clamp by a scalar."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.query, self.key, self.value = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)
        self.register_buffer("mask", torch.full((12, 12), torch.finfo(torch.float32).min).triu(1))

    def forward(self, x):
        scores = self.query(x) @ self.key(x).transpose(1, 2) + self.mask
        return torch.softmax(scores, -1) @ self.value(x).clamp(min=-0.3)


def test_masks_stay_float_and_shared_constants_keep_names_apart(tmp_path):
    artifact, path, (decibels,) = export(Masked(), noise(12, 8), tmp_path)
    assert decibels > 25
    weighted = [op for op in FORMAT.graph(path).ops if any(c.role == "weight" for c in op.constants)]
    assert {op.source.module for op in weighted} == {"query", "key", "value"}
    assert {(k.op, k.reason.split(":")[0]) for k in artifact.kept_float} == {
        ("ADD", "its values reach 3e+38"), ("SOFTMAX", "its values reach 3e+38")}


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.cell = nn.GRU(4, 6, batch_first=True)

    def forward(self, x):
        return self.cell(x)[0]


def test_unrolled_networks_are_said_to_be(tmp_path):
    artifact, path, (decibels,) = export(Recurrent(), noise(3, 4), tmp_path, "w8a8-dynamic")
    assert decibels > 30
    assert any("unrolled" in note for note in artifact.notes)
    weights = [c.name for op in FORMAT.graph(path).ops for c in op.constants if c.role == "weight"]
    assert len(set(weights)) == 2 < len(weights)  # the steps share their bytes


class CutAndRead(nn.Module):
    """A convolution's values behind an activation, and as they are."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1)

    def forward(self, x):
        y = self.a(x)
        return torch.relu(y.flatten(2)), self.b(y), torch.relu(x.flatten(2))


def test_values_that_others_read_keep_the_range_below_an_activation(tmp_path):
    assert min(export(CutAndRead(), noise(3, 8, 8), tmp_path, outputs=3)[2]) > 30


class Repeated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(12, 4, 3)

    def forward(self, x):
        return self.b(torch.cat([self.a(x), x.repeat(1, 2, 1, 1)], 1))


def test_repeats_beside_convolutions(tmp_path):
    assert export(Repeated(), noise(3, 8, 8), tmp_path, "fp32")[2][0] > 100


def test_an_operator_that_becomes_several_is_one_layer(tmp_path):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.SiLU(), nn.Conv2d(8, 4, 1))
    samples = noise(3, 8, 8)
    _, path, _ = export(net, samples, tmp_path)
    session = FORMAT.load(path)
    errors = layer_errors(captured(net, samples[0]), samples[0], session.layers([samples[0][0].numpy()]))
    assert {e.source.module for e in errors} == {"0", "1", "2"}
    assert all(e.sqnr_db > 20 for e in errors)


class Sort(nn.Module):
    def forward(self, x):
        return torch.sort(x)[0]


class Unknown(nn.Module):
    def forward(self, x):
        return torch.bucketize(x, torch.arange(3.0)).float()


@pytest.mark.parametrize(("inner", "named"), [(Sort(), "STABLEHLO_SORT"), (Unknown(), "bucketize")])
def test_what_cannot_be_converted_names_the_module(inner, named, tmp_path):
    module = nn.Sequential(nn.Linear(4, 4), inner)
    with pytest.raises(ConversionError) as caught:
        export(module, noise(4), tmp_path, "fp32")
    assert caught.value.code == "converter-failed"
    assert named in caught.value.message + caught.value.cause
    assert caught.value.where.startswith("1")
    assert not list(tmp_path.glob("fp32*"))


def test_a_file_that_breaks_the_runtime_does_not_break_edgekit(tmp_path):
    path = tmp_path / "broken.tflite"
    path.write_bytes(b"no flatbuffer at all")
    assert "odel" in refusal(path)

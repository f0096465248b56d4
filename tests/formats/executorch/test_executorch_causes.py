"""One test a cause for which the tools' own defaults give a wrong, broken or needlessly slow .pte."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from executorch_support import FORMAT, plan_of, reached
from small_nets import images, sentences
from torch import nn

from edgekit.errors import ConversionError
from edgekit.formats.executorch.facts import kept_float


class ConvSoftmax(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.conv(x), -1)


def test_softmax_behind_a_convolution(tmp_path: Path) -> None:
    sqnr, _, _ = reached(ConvSoftmax(), "fp32", images(2), tmp_path)
    assert sqnr > 100


def test_partitioner_leaves_such_a_softmax_alone() -> None:
    from executorch.exir import to_edge_transform_and_lower

    from edgekit.formats.executorch.partition import Partitioner, refusals

    exported = torch.export.export(ConvSoftmax().eval(), images(1)[0])
    with refusals() as reasons:
        edge = to_edge_transform_and_lower(exported, partitioner=[Partitioner()])
    left = [str(n.target) for n in edge.exported_program().graph.nodes if n.op == "call_function"]
    assert any("softmax" in name for name in left)
    assert any("wrong axis" in reason for reason in reasons.values())


class PReluSoftmax(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.PReLU(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.slope(x), -1)


class AmaxSoftmax(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(x - x.amax(1, keepdim=True), -1)


class MaxSoftmax(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(x.max(2, keepdim=True).values, -1)


@pytest.mark.parametrize("module", [PReluSoftmax(), AmaxSoftmax(), MaxSoftmax()], ids=lambda m: type(m).__name__)
def test_softmax_behind_other_operators_that_are_stored_channels_last(module: nn.Module, tmp_path: Path) -> None:
    sqnr, _, _ = reached(module, "fp32", [(torch.randn(1, 4, 8, 10),)], tmp_path)
    assert sqnr > 100


class IntegerArithmetic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.out = nn.Embedding(80, 16), nn.Linear(16, 16)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.out(self.embed(tokens * 1 + 2) * 2.0)


@pytest.mark.parametrize("scheme", ["w8a8-static", "w8a8-dynamic"])
def test_integer_arithmetic_beside_quantisation(scheme: str, tmp_path: Path) -> None:
    sqnr, _, _ = reached(IntegerArithmetic(), scheme, sentences(4), tmp_path)
    assert sqnr > 30


class Softplus(nn.Module):
    """Lowering takes the softplus apart: two of its three readers lie outside the delegate, ``exp`` inside."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, size, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.softplus(self.conv(x)) * 4


@pytest.mark.parametrize("size", [4, 32], ids=["does_not_run", "silently_wrong"])
def test_a_delegates_output_that_is_also_read_inside(size: int, tmp_path: Path) -> None:
    sqnr, _, _ = reached(Softplus(size), "w8a8-static", images(4), tmp_path)
    assert sqnr > 40


def test_an_operator_without_any_kernel_is_named(tmp_path: Path) -> None:
    class Pairs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pairs = nn.Bilinear(3, 3, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.pairs(x.mean((2, 3)), x.amax((2, 3)))

    with pytest.raises(ConversionError, match="no kernel for aten::_trilinear") as caught:
        reached(Pairs(), "fp32", images(1), tmp_path)
    assert caught.value.where
    assert not list(tmp_path.glob("*.pte"))


class WholeNumbers(nn.Module):
    """Arithmetic with integers as people write it; a product of integers stays one."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = self.conv(x)
        y = torch.add(1 - y * F.relu6(y + 3) / 6, 3, alpha=2) - 1
        y = torch.ops.aten.add.Scalar(torch.ops.aten.mul.Scalar(y, 2), 3, 2)
        return y, ((x > 0).flatten(1).sum(1) + 2) * 3


@pytest.mark.parametrize("scheme", ["fp32", "fp16", "w8a8-static"])
def test_whole_numbers_are_not_cast_in_every_run(scheme: str, tmp_path: Path) -> None:
    """Lowering stores them as int64, and a portable operator casts each of them."""
    sqnr, _, path = reached(WholeNumbers(), scheme, images(4), tmp_path)
    casts = {c.dtype for op in FORMAT.graph(path).ops if op.kind == "cast" for c in op.constants}
    assert sqnr > {"fp32": 120, "fp16": 55, "w8a8-static": 35}[scheme]
    assert "int64" not in casts


class Pools(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(torch.relu(self.first(x)), 2)
        return F.avg_pool2d(self.second(x), 2).mean((2, 3))


def test_pools_with_default_arguments_are_delegated(tmp_path: Path) -> None:
    sqnr, artifact, _ = reached(Pools(), "w8a8-static", images(4), tmp_path)
    assert sqnr > 25
    assert artifact.not_delegated == ()


class SlicesAndPads(nn.Module):
    """Static slices and zero pads of integers, before convolutions and before float operators."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.cut, self.last = nn.Conv2d(4, 8, 3), nn.Conv2d(8, 4, 3, padding=1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = self.first(x)
        left = F.pad(self.cut(y[:, :4]), (1, 1, 1, 1)) + y
        right = self.cut(F.pad(y[:, 4:], (2, 0, 2, 0)))
        return self.last(left), F.hardswish(F.pad(right, (0, 1, 0, 1)))


def test_integer_slices_and_pads_load(tmp_path: Path) -> None:
    sqnr, _, _ = reached(SlicesAndPads(), "w8a8-static", images(4), tmp_path)
    assert sqnr > 22


class SharedLayer(nn.Module):
    """One layer used on values of two magnitudes, as detection heads and recurrent steps do."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.shared = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        nn.init.constant_(self.shared.bias, 0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.shared(self.shared(self.first(x)) * 0.05)


def test_bias_of_a_shared_layer(tmp_path: Path) -> None:
    sqnr, _, _ = reached(SharedLayer(), "w8a8-static", images(4), tmp_path)
    assert sqnr > 30


class Shuffle(nn.Module):
    """Channels shuffled in plain order, then a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(4, 8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x).view(1, 2, 4, 32, 32).transpose(1, 2).reshape(1, 8, 32, 32)
        return self.last(x.chunk(2, 1)[1])


@pytest.mark.parametrize("scheme", ["w8a8-static", "w8a8-dynamic"])
def test_convolution_behind_a_shuffle(scheme: str, tmp_path: Path) -> None:
    sqnr, artifact, _ = reached(Shuffle(), scheme, images(4), tmp_path)
    assert sqnr > 28
    assert artifact.kept_float == ()


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.out = nn.LSTM(8, 16, batch_first=True), nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.rnn(x)[0][:, -1])


def test_recurrent_steps_are_quantised_and_noted(tmp_path: Path) -> None:
    inputs = [(torch.randn(1, 4, 8, generator=torch.Generator().manual_seed(i)),) for i in range(4)]
    torch.manual_seed(0)
    sqnr, artifact, path = reached(Recurrent(), "w8a8-static", inputs, tmp_path)
    assert sqnr > 25
    assert any("unrolled" in note for note in artifact.notes)
    linear = [op for op in FORMAT.graph(path).ops if op.kind == "linear"]
    assert {op.dtype for op in linear} == {"int8"}
    assert {op.source.module for op in linear if op.source} == {"rnn", "out"}


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(16, 48), nn.Linear(16, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, steps, width = x.shape
        q, k, v = self.qkv(x).view(batch, steps, 3, 4, 4).permute(2, 0, 3, 1, 4).unbind(0)
        seen = torch.ones(steps, steps, dtype=torch.bool).tril()
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        return x + self.out(mixed.transpose(1, 2).reshape(batch, steps, width))


@pytest.mark.parametrize(("scheme", "least"), [("fp32", 100), ("w8a8-static", 30), ("fp16", 50)])
def test_masked_attention_is_wholly_delegated(scheme: str, least: float, tmp_path: Path) -> None:
    inputs = [(torch.randn(1, 12, 16, generator=torch.Generator().manual_seed(i)),) for i in range(4)]
    sqnr, artifact, _ = reached(Attention(), scheme, inputs, tmp_path)
    assert sqnr > least
    assert {n.op for n in artifact.not_delegated} <= {"dim_order_ops::_to_dim_order_copy"}  # float16's border


def test_a_pad_before_a_convolution_that_names_its_padding(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.SiLU(), nn.ZeroPad2d((0, 1, 0, 1)),
                        nn.Conv2d(8, 8, 3, stride=2, padding="valid", groups=8), nn.SiLU(), nn.Conv2d(8, 4, 1))
    sqnr, _, _ = reached(net, "w8a8-static", images(16), tmp_path)
    assert sqnr > 30


class TwoOfOneModule(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Parameter(torch.randn(4, 2, 3, 3) / 4), nn.Parameter(torch.randn(4, 4, 3, 3) / 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.conv_transpose2d(x, self.a, groups=2)
        return F.conv_transpose2d(torch.relu(x), self.b)


def test_a_missing_kernel_excuses_its_own_operator_only(tmp_path: Path) -> None:
    inputs = [(torch.randn(1, 4, 8, 8),) for _ in range(4)]
    _, artifact, path = reached(TwoOfOneModule(), "w8a8-static", inputs, tmp_path)
    first, second = [op for op in FORMAT.graph(path).ops if op.macs]
    assert (first.dtype, second.dtype) == ("float32", "int8")
    (kept,) = artifact.kept_float
    assert "one group only" in kept.reason
    _, _, path = reached(TwoOfOneModule(), "fp32", inputs, tmp_path)  # as if the second were left out for no reason
    graph = FORMAT.graph(path)
    named = kept_float(graph, plan_of("w8a8-static"), {(first.source, first.kind): kept.reason})
    assert [k.macs for k in named] == [first.macs]

"""Each rewrite does what it says and keeps the outputs; the XNNPACK delegate's mistake is avoided in earnest."""

from pathlib import Path

import pytest
import torch
from rewrite_support import IMAGE, Calls, captured
from torch import nn
from torch.nn import functional as F

from edgekit.contracts import Workload
from edgekit.workload.capture import capture
from edgekit.workload.same import least_sqnr_db

FOLDS = {
    "conv": (nn.Sequential(nn.Conv2d(4, 6, 3, bias=False), nn.BatchNorm2d(6)), IMAGE, ["conv2d"]),
    "conv with bias, grouped, dilated": (
        nn.Sequential(nn.Conv2d(4, 8, 3, groups=2, dilation=2), nn.BatchNorm2d(8, affine=False)), IMAGE, ["conv2d"]),
    "conv same padding": (
        nn.Sequential(nn.Conv2d(4, 4, 3, padding="same"), nn.BatchNorm2d(4)), IMAGE, ["conv2d"]),
    "conv 1-D": (nn.Sequential(nn.Conv1d(4, 6, 3), nn.BatchNorm1d(6)), IMAGE[:, :, 0], ["conv1d"]),
    "conv 3-D": (nn.Sequential(nn.Conv3d(4, 6, 1), nn.BatchNorm3d(6)), IMAGE[:, :, None], ["conv3d"]),
    "transposed, grouped": (
        nn.Sequential(nn.ConvTranspose2d(4, 6, 2, 2, groups=2), nn.BatchNorm2d(6)), IMAGE, ["conv_transpose2d"]),
    "linear": (nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(6)), IMAGE[:, 0, 0], ["linear"]),
    "linear over a sequence": (nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(8)), IMAGE[:, 0], ["linear", "conv1d"]),
    "before the conv": (nn.Sequential(nn.BatchNorm2d(4, affine=False), nn.Conv2d(4, 6, 3, padding=1)), IMAGE,
                        ["conv2d", "conv2d"]),
    "on plain vectors it is left": (nn.Sequential(nn.BatchNorm1d(8), nn.ReLU()), IMAGE[:, 0, 0],
                                    ["batch_norm", "relu"]),
    "two readers": (
        Calls(lambda s, x: s.bn(y := s.conv(x)) * y, conv=nn.Conv2d(4, 4, 1), bn=nn.BatchNorm2d(4)), IMAGE,
        ["conv2d", "conv2d", "mul"]),
    "one conv, two norms": (
        Calls(lambda s, x: s.b(s.conv(F.hardswish(s.a(s.conv(x))))), conv=nn.Conv2d(4, 4, 1), a=nn.BatchNorm2d(4),
              b=nn.BatchNorm2d(4)), IMAGE, ["conv2d", "hardswish", "conv2d"]),
}


@pytest.mark.parametrize("case", FOLDS)
def test_batch_norm_folds(case):
    module, x, expected = FOLDS[case]
    _, operators, _ = captured(module, x)
    assert operators == expected


def test_folded_weights_keep_their_names_and_sources():
    program, _, _ = captured(nn.Sequential(nn.Conv2d(4, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU()))
    assert sorted(program.exported.state_dict) == ["0.bias", "0.weight"]
    assert [s.module for s in program.sources.values()] == ["0", "2"]


class RepVgg(nn.Module):
    """Training-time branches, without a method that merges them."""

    def __init__(self, inputs, outputs, stride=1, groups=1, identity=True):
        super().__init__()
        self.wide = nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, groups=groups, bias=False),
                                  nn.BatchNorm2d(outputs))
        self.narrow = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, groups=groups, bias=False),
                                    nn.BatchNorm2d(outputs))
        self.skip = nn.BatchNorm2d(inputs) if identity else None

    def forward(self, x):
        out = self.narrow(x) + self.wide(x)
        return F.relu(out if self.skip is None else self.skip(x) + out)


@pytest.mark.parametrize("settings", [
    {}, {"groups": 4}, {"groups": 2}, {"stride": 2, "identity": False}, {"outputs": 6, "identity": False}],
    ids=str)
def test_parallel_branches_become_one_convolution(settings):
    settings = {"outputs": 4, **settings}
    _, operators, _ = captured(nn.Sequential(RepVgg(4, **settings)))
    assert operators == ["conv2d", "relu"]


def test_over_parameterised_branches_become_one_convolution():
    branches = [nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)) for _ in range(4)]
    _, operators, _ = captured(Calls(lambda s, x: F.relu(sum(b(x) for b in s.all)), all=nn.ModuleList(branches)))
    assert operators == ["conv2d", "relu"]


LEFT = {
    "a residual": lambda s, x: x + s.a(x),
    "different inputs": lambda s, x: s.a(x) + s.b(x * 2),
    "a branch that is read twice": lambda s, x: s.a(x) + (y := s.b(x)) + y.relu(),
    "another stride": lambda s, x: s.a(x)[:, :, ::2, ::2] + s.strided(x),
}


@pytest.mark.parametrize("case", LEFT)
def test_other_sums_are_left(case):
    module = Calls(LEFT[case], a=nn.Conv2d(4, 4, 3, padding=1), b=nn.Conv2d(4, 4, 1), strided=nn.Conv2d(4, 4, 1, 2))
    _, operators, _ = captured(module)
    assert "add" in operators


def test_pools_get_their_stride():
    program, operators, _ = captured(Calls(lambda s, x: F.avg_pool2d(F.max_pool2d(x, 2), (2, 1))))
    assert operators == ["max_pool2d", "avg_pool2d"]
    pools = [n for n in program.exported.graph.nodes if "pool" in str(n.target)]
    assert [list(n.args[2]) for n in pools] == [[2, 2], [2, 1]]


def test_identities_are_taken_out():
    def forward(self, x):
        x = F.dropout(x, 0.3, self.training).contiguous().to(torch.float32).detach()
        return F.pad(self.drop(x), (0, 0)) + 1

    drop = nn.Sequential(nn.Dropout2d(), nn.Identity(), nn.Dropout(inplace=True))
    _, operators, _ = captured(Calls(forward, drop=drop))
    assert operators == ["add"]


def test_a_model_that_only_returns_its_input():
    captured(nn.Dropout())


def test_operators_in_place_become_functional():
    net = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU6(inplace=True), nn.Hardswish(inplace=True))
    program, operators, _ = captured(net)
    assert operators == ["conv2d", "hardtanh", "hardswish"]
    assert not any("_." in str(n.target) for n in program.exported.graph.nodes)


def test_writes_through_views_keep_their_meaning():
    def forward(self, x):
        x = x + 0.0
        x[:, 1:].mul_(3)
        y = x * 2
        x.add_(1)
        return x + y

    captured(Calls(forward))


def test_constants_are_computed_once():
    def forward(self, x):
        mask = torch.arange(8).unsqueeze(0) <= torch.arange(8).unsqueeze(1)
        return x.masked_fill(~mask, -1.0)

    _, operators, _ = captured(Calls(forward))
    assert operators == ["masked_fill"]


def test_derived_weights_are_computed_once_and_folded():
    conv = torch.nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 3, bias=False))
    _, operators, _ = captured(nn.Sequential(conv, nn.BatchNorm2d(4)))
    assert operators == ["conv2d"]


def test_a_weight_that_is_shared_out_is_stored_in_parts():
    def attend(s, x):
        query, rest = s.packed.split([8, 16])
        key, value = rest.chunk(2)
        return F.linear(x, query) + F.linear(x, key) * F.linear(x, value)

    module = Calls(attend)
    module.packed = nn.Parameter(torch.randn(24, 8))
    program, operators, _ = captured(module)
    assert sorted(set(operators)) == ["add", "linear", "mul"]
    assert sorted(tuple(p.shape) for p in program.exported.parameters()) == [(8, 8)] * 3


@pytest.mark.parametrize("read", [lambda w: w, lambda w: w[2:]], ids=["whole", "overlapping"])
def test_a_weight_with_other_readers_stays_one(read):
    module = Calls(lambda s, x: F.linear(x, s.weight[:6]) @ F.linear(x, read(s.weight)).transpose(-1, -2)[..., :6, :])
    module.weight = nn.Parameter(torch.randn(8, 8))
    program, _, _ = captured(module)
    assert [tuple(p.shape) for p in program.exported.parameters()] == [(8, 8)]


def test_random_numbers_are_no_constants():
    from edgekit.workload.constants import fold_constants
    graph = torch.fx.Graph()
    x = graph.placeholder("x")
    noise = graph.call_function(torch.ops.aten.rand.default, ([2],))
    graph.output(graph.call_function(torch.ops.aten.add.Tensor, (x, noise)))
    assert fold_constants(torch.fx.GraphModule({}, graph)) == 0


def test_tied_weights_are_noted_and_stay_one():
    def forward(self, x):
        return self.head(self.table(x.argmax(1)))

    table, head = nn.Embedding(8, 4), nn.Linear(4, 8, bias=False)
    head.weight = table.weight
    program, _, warnings = captured(Calls(forward, table=table, head=head), IMAGE[:, 0])
    assert warnings == ["table.weight and head.weight share one tensor; a format may store it more than once"]
    assert len({v.data_ptr() for v in program.exported.state_dict.values()}) == 1


class Fusable(RepVgg):
    """Merges its branches itself; ``wrong`` makes a mistake in it, ``broken`` raises."""

    def __init__(self, fault=None):
        super().__init__(4, 4)
        self.fault, self.merged = fault, None

    def forward(self, x):
        return super().forward(x) if self.merged is None else F.relu(self.merged(x))

    def switch_to_deploy(self):
        if self.merged is not None:
            raise RuntimeError("merged twice")
        if self.fault == "broken":
            raise KeyError("branch")
        kernel, bias = 0, 0
        for branch, grow in ((self.wide, 0), (self.narrow, 1)):
            scale = branch[1].weight / (branch[1].running_var + branch[1].eps).sqrt()
            kernel = kernel + F.pad(branch[0].weight * scale.view(-1, 1, 1, 1), [grow] * 4)
            bias = bias + branch[1].bias - branch[1].running_mean * scale
        scale = self.skip.weight / (self.skip.running_var + self.skip.eps).sqrt()
        kernel[:, :, 1, 1] += torch.diag(scale)
        merged = nn.Conv2d(4, 4, 3, padding=1)
        merged.weight.data = kernel * (2 if self.fault == "wrong" else 1)
        merged.bias.data = bias + self.skip.bias - self.skip.running_mean * scale
        self.merged = merged
        del self.wide, self.narrow, self.skip


class Whole(nn.Module):
    """A model whose own fuse() reaches its blocks."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(Fusable(), Fusable())

    def forward(self, x):
        return self.blocks(x)

    def fuse(self, verbose=False):
        for block in self.blocks:
            block.switch_to_deploy()
        return self


@pytest.mark.parametrize("make", [lambda: nn.Sequential(Fusable(), Fusable()), Whole], ids=["blocks", "model"])
def test_modules_own_methods_are_called(make):
    module = make()
    program, operators, warnings = captured(module)
    assert operators == ["conv2d", "relu"] * 2
    assert all("merged" in name for name in program.exported.state_dict)
    assert warnings == []
    assert not any("merged" in name for name in module.state_dict())


@pytest.mark.parametrize(("fault", "reason"), [("wrong", "outputs change"), ("broken", "KeyError")])
def test_methods_that_fail_are_said(fault, reason):
    program, _, warnings = captured(nn.Sequential(Fusable(fault)))
    assert len(warnings) == 1
    assert "0.switch_to_deploy()" in warnings[0]
    assert reason in warnings[0]
    assert not any("merged" in name for name in program.exported.state_dict)


def test_methods_that_need_arguments_are_not_called():
    class Mixer(nn.Linear):
        def fuse(self, other):
            raise AssertionError(other)

    _, _, warnings = captured(nn.Sequential(Mixer(8, 8)))
    assert warnings == []


def softmax(dim):
    return Calls(lambda s, x: F.softmax(s.conv(x), dim), conv=nn.Conv2d(4, 3, 3, padding=1))


@pytest.mark.parametrize(("dim", "flattened"), [(-1, True), (3, True), (1, False)])
def test_softmax_after_a_convolution_is_two_dimensional(dim, flattened):
    _, operators, _ = captured(softmax(dim), IMAGE[:, :, :6])
    assert operators == (["conv2d", "reshape", "softmax", "reshape"] if flattened else ["conv2d", "softmax"])


def test_softmax_of_attention_scores_is_left():
    _, operators, _ = captured(Calls(lambda s, x: (s.conv(x) @ x).softmax(-1), conv=nn.Conv2d(4, 4, 1)))
    assert operators == ["conv2d", "matmul", "softmax"]


BETWEEN = {
    "nothing": lambda y: y,
    "activation": F.relu,
    "sum": lambda y: y + y,
    "slice": lambda y: y[:, :2],
    "pool": lambda y: F.max_pool2d(y, 2),
    "permute": lambda y: y.permute(0, 2, 3, 1),
}


@pytest.mark.slow
def test_softmax_after_a_convolution_is_right_in_xnnpack():
    pytest.importorskip("executorch")
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower
    from executorch.runtime import Runtime

    module = Calls(lambda s, x: tuple(F.softmax(between(s.conv(x)), -1) for between in BETWEEN.values()),
                   conv=nn.Conv2d(4, 3, 3, padding=1)).eval()
    x = IMAGE[:1, :, :6].contiguous()
    workload = Workload("net", Path(__file__), module, (x,), ("x",), tuple(BETWEEN))
    lowered = to_edge_transform_and_lower(capture(workload).exported, partitioner=[XnnpackPartitioner()])
    buffer = lowered.to_executorch().buffer  # the runtime borrows it: it and the program have to stay alive
    loaded = Runtime.get().load_program(buffer)
    method = loaded.load_method("forward")
    for name, wanted, got in zip(BETWEEN, module(x), method.execute([x]), strict=True):
        assert least_sqnr_db(lambda w: w, lambda _, g=got: g, [(wanted,)]) >= 100, name


class Product(nn.Module):
    """``expression`` of the input ``x``, a matrix ``w`` of 8 x 8 and a vector ``b``."""

    def __init__(self, expression, shared=False):
        super().__init__()
        torch.manual_seed(0)
        self.w, self.b = nn.Parameter(torch.randn(8, 8)), nn.Parameter(torch.randn(8))
        self.expression, self.shared = eval(f"lambda x, w, b: {expression}", {"torch": torch}), shared

    def forward(self, x):
        out = self.expression(x, self.w, self.b)
        return out + self.w if self.shared else out


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("expression", "shape"), [
    ("torch.addmm(b, x, w)", (8, 8)), ("torch.mm(x, w)", (8, 8)), ("x @ w", (2, 8, 8)), ("w @ x", (8, 8)),
    ("w @ x", (2, 3, 8, 8))])
def test_products_with_a_matrix_are_linear_layers(expression, shape, shared):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    _, operators, _ = captured(Product(expression, shared), x)
    assert "linear" in operators
    assert not {"addmm", "mm", "matmul"} & set(operators)


@pytest.mark.parametrize("expression", [
    "torch.addmm(b, x, w, beta=2)", "torch.addmm(x, x, w)", "x @ x.transpose(-1, -2)"])
def test_products_that_are_none_stay(expression):
    _, operators, _ = captured(Product(expression), torch.randn(8, 8))
    assert "linear" not in operators


@pytest.mark.parametrize(("pool", "kernel"), [
    (nn.AvgPool2d(56, ceil_mode=True), [8, 8]), (nn.MaxPool2d((9, 8), ceil_mode=True), [8, 8]),
    (nn.AvgPool2d(3, ceil_mode=True), [3, 3]), (nn.AvgPool2d(9, ceil_mode=True, divisor_override=5), [9, 9]),
    (nn.MaxPool2d(8, dilation=2, padding=4, ceil_mode=True), [8, 8])])
def test_a_window_larger_than_its_input_is_cut(pool, kernel):
    program, _, _ = captured(nn.Sequential(nn.Conv2d(4, 4, 1), pool))
    (node,) = [n for n in program.exported.graph.nodes if "pool" in str(n.target)]
    assert list(node.args[1]) == kernel


@pytest.mark.parametrize(("convolution", "padding", "pads"), [
    (nn.Conv2d(4, 4, 3, padding="valid", stride=2), [0, 0], 0), (nn.Conv2d(4, 4, 3, padding="same"), [1, 1], 0),
    (nn.Conv2d(4, 4, (3, 4), padding="same", dilation=(2, 1)), [0, 0], 1),
    (nn.Conv1d(8, 4, 4, padding="same", bias=False), [0], 1), (nn.Conv1d(8, 4, 3, padding="valid"), [0], 0)])
def test_padding_is_counted(convolution, padding, pads):
    x = IMAGE if isinstance(convolution, nn.Conv2d) else IMAGE[0]
    program, operators, _ = captured(nn.Sequential(convolution), x)
    (node,) = [n for n in program.exported.graph.nodes if "conv" in str(n.target)]
    assert str(node.target).endswith(".default")
    assert list(node.args[4] if len(node.args) > 4 else [0] * len(padding)) == padding
    assert operators.count("pad") == pads
    assert all(len(numbers) == len(padding) for numbers in (*node.args[3:4], *node.args[5:6]))

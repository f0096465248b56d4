"""Simulated quantisation: what is rounded where, and its limits (everything float, finer grids)."""

from __future__ import annotations

import pytest
import torch
from quantize_nets import plan_of, program_of
from torch import nn

from edgekit.contracts import FloatRule
from edgekit.errors import UsageError
from edgekit.quantize.kinds import kind_of
from edgekit.quantize.params import activation_grid, fake_quantize, fake_quantize_weight
from edgekit.quantize.simulate import Simulator, layer_errors, simulate

KEEP_ALL = FloatRule("*", "*", "test", "recipe")


def test_a_linear_layer_by_hand():
    layer = nn.Linear(4, 3)
    x = torch.randn(6, 4)
    program = program_of(layer, x)
    plan = plan_of([(x,)], observer="minmax")

    def on_grid(values):
        return fake_quantize(values, activation_grid(min(0.0, values.min().item()), max(0.0, values.max().item())))

    expected = on_grid(x) @ fake_quantize_weight(layer.weight, 0).T + layer.bias
    grid = activation_grid(min(0.0, layer(x).min().item()), max(0.0, layer(x).max().item()))
    torch.testing.assert_close(simulate(program, plan)((x,))[0], fake_quantize(expected, grid))


def test_relu_is_fused_and_hard_swish_is_not():
    x = torch.randn(1, 3, 8, 8)
    for act, rounded in ((nn.ReLU6(), [False, True]), (nn.Hardswish(), [True, True])):
        simulator = Simulator(program_of(nn.Sequential(nn.Conv2d(3, 4, 3), act), x), plan_of([(x,)]))
        covered = simulator.covered()
        nodes = [n for n in simulator.wiring.nodes if n.op == "call_function"]
        assert [simulator.rounds_result(n, covered) for n in nodes] == rounded


def test_value_preserving_operators_lose_nothing(samples):
    class Shuffle(nn.Module):
        def forward(self, x):
            y = torch.nn.functional.max_pool2d(torch.sigmoid(x), 2)
            return y.reshape(1, 3, -1).transpose(1, 2)

    errors = layer_errors(program_of(Shuffle(), samples[0][0]), plan_of(samples), samples)
    assert errors[-1].sqnr_db == errors[-2].sqnr_db


def test_nothing_quantised_equals_float(net, samples):
    exact = net.exported.module()(*samples[0])
    for plan in (plan_of(samples, "fp32"), plan_of(samples, keep_float=(KEEP_ALL,))):
        torch.testing.assert_close(simulate(net, plan)(samples[0])[0], exact, rtol=0, atol=0)


def test_schemes_rank_as_their_bits_do(net, samples):
    reached = {scheme: layer_errors(net, plan_of(samples, scheme), samples)[-1].sqnr_db
               for scheme in ("w4-weight-only", "w8a8-static", "w8a16-static", "w8a8-dynamic", "fp16", "fp32")}
    assert reached["w4-weight-only"] < reached["w8a8-static"] < reached["w8a16-static"] < reached["fp16"]
    assert reached["w8a8-static"] > 25
    assert reached["w8a8-dynamic"] > 25
    assert reached["fp32"] is None


def test_rules_keep_a_module_float(net, samples):
    plan = plan_of(samples, "w8-weight-only", keep_float=(FloatRule("blocks", "*", "test", "recipe"),))
    by_module = {e.source.module: e.sqnr_db for e in layer_errors(net, plan, samples) if e.source}
    assert by_module["blocks.1.project"] == pytest.approx(by_module["act"], abs=25)
    everything = simulate(net, plan_of(samples, "w8-weight-only"))(samples[0])[0]
    kept = simulate(net, plan)(samples[0])[0]
    exact = net.exported.module()(*samples[0])
    assert (kept - exact).square().sum() < (everything - exact).square().sum()


def test_static_without_calibration_is_an_error(net):
    with pytest.raises(UsageError, match="calibration"):
        simulate(net, plan_of([]))


def test_kinds_of_exported_nodes(net):
    kinds = [kind_of(n) for n in net.exported.graph.nodes if n.op == "call_function"]
    assert kinds[:6] == ["conv", "hard_swish", "conv", "relu", "depthwise_conv", "relu"]
    assert kinds[-3:] == ["avg_pool", "reshape", "linear"]

"""Bias correction: cancels the mean error exactly where it can, and lifts a whole net's fidelity."""

from __future__ import annotations

import io
from dataclasses import replace

import torch
from quantize_nets import plan_of, program_of
from torch import nn

from edgekit.contracts import FloatRule, Program
from edgekit.quantize import bias_correction
from edgekit.quantize.bias_correction import corrected_biases
from edgekit.quantize.params import fake_quantize_weight
from edgekit.quantize.simulate import energy, simulate

KINDS = ("conv", "depthwise_conv", "conv_transpose", "linear")


def corrected_program(program: Program, plan) -> Program:
    """The program with its corrected biases in place."""
    file = io.BytesIO()
    torch.export.save(program.exported, file)
    file.seek(0)
    exported = torch.export.load(file)
    for name, value in corrected_biases(program, plan, KINDS).items():
        exported.state_dict[name].data = value
    return replace(program, exported=exported)


def outputs(program, plan, samples):
    run = simulate(program, plan)
    return [run(s)[0] for s in samples]


def test_a_linear_layer_by_hand():
    torch.manual_seed(3)
    layer = nn.Linear(4, 3)
    x = torch.rand(100, 4)
    program = program_of(layer, x)
    biases = corrected_biases(program, plan_of([(x,)], "w8-weight-only"), KINDS)
    shift = ((layer.weight - fake_quantize_weight(layer.weight, 0)) @ x.mean(0)).detach()
    torch.testing.assert_close(biases["bias"] - layer.bias, shift, rtol=1e-2, atol=1e-6)
    torch.testing.assert_close(program.exported.state_dict["bias"], layer.bias)  # the original is untouched


def test_a_net_comes_nearer_to_float(net, samples):
    exact = [net.exported.module()(*s) for s in samples]
    plan = plan_of(samples[:4], "w8-weight-only")
    before, after = (sum(energy(e - o) for e, o in zip(exact, outputs(p, plan, samples), strict=True))
                     for p in (net, corrected_program(net, plan)))
    assert after < before


def test_large_activations_take_fewer_inputs(net, samples, monkeypatch):
    plan = plan_of(samples, "w8-weight-only")
    everything = corrected_biases(net, plan, KINDS)
    monkeypatch.setattr(bias_correction, "_BYTES_BUDGET", 1)
    one = corrected_biases(net, plan, KINDS)
    assert one.keys() <= everything.keys()
    torch.testing.assert_close(one, corrected_biases(net, plan_of(samples[:1], "w8-weight-only"), KINDS))


def test_batch_norm_takes_the_shift_of_a_convolution_without_bias():
    torch.manual_seed(0)
    x = torch.rand(1, 3, 16, 16)
    module = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU())
    program, plan = program_of(module, x), plan_of([(x,)], "w8-weight-only")
    assert list(corrected_biases(program, plan, KINDS)) == ["1.bias"]
    exact = module(x)
    after = outputs(corrected_program(program, plan), plan, [(x,)])[0]
    assert energy(exact - after) < energy(exact - outputs(program, plan, [(x,)])[0])


def test_what_is_not_quantised_is_left_alone(net, samples, monkeypatch):
    monkeypatch.setattr(bias_correction, "_MIN_GAIN_DB", -100)  # which layers, not whether it pays

    def changed(plan, kinds=KINDS):
        return set(corrected_biases(net, plan, kinds))

    everything = changed(plan_of(samples))
    assert {"stem.bias", "blocks.0.depthwise.bias"} <= everything
    keep = FloatRule("blocks", "*", "test", "recipe")
    assert changed(plan_of(samples, keep_float=(keep,))) == {n for n in everything if not n.startswith("blocks")}
    assert "stem.bias" not in changed(plan_of(samples), kinds=("linear",))
    assert changed(plan_of([], "w8-weight-only")) == set()
    assert changed(plan_of(samples, "fp16")) == set()
    assert changed(plan_of(samples, "w4-weight-only")) == set()  # every format rounds to int4 in its own way


class Computed(nn.Module):
    """A layer whose weight depends on the input."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.bias = nn.Linear(4, 4), nn.Parameter(torch.zeros(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(x, self.scale(x[:4]), self.bias)


def test_a_layer_without_a_weight_of_its_own_is_left_alone(monkeypatch):
    monkeypatch.setattr(bias_correction, "_MIN_GAIN_DB", -100)
    x = torch.rand(100, 4)
    assert list(corrected_biases(program_of(Computed(), x), plan_of([(x,)], "w8a8-dynamic"), KINDS)) == []


def test_biases_stay_where_the_outputs_hardly_gain():
    torch.manual_seed(3)
    module = nn.Sequential(*(layer for _ in range(4) for layer in (nn.Linear(24, 24), nn.ReLU())), nn.Linear(24, 8))
    samples = [(torch.rand(1, 16, 24),) for _ in range(16)]
    program = program_of(module, *samples[0])
    assert corrected_biases(program, plan_of(samples), KINDS) == {}  # chance in the activations' rounding is as large
    assert corrected_biases(program, plan_of(samples, "w8-weight-only"), KINDS)


def test_programs_with_layer_norms_keep_their_biases_under_static_ranges():
    x = torch.rand(100, 4)
    program = program_of(nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 4)), x)
    assert corrected_biases(program, plan_of([(x,)]), KINDS) == {}
    assert corrected_biases(program, plan_of([(x,)], "w8-weight-only"), KINDS)

"""Bias correction: cancels the mean error exactly where it can, and lifts a whole net's fidelity."""

from __future__ import annotations

import io
from dataclasses import replace

import torch
from quantize_nets import plan_of, program_of
from torch import nn

from edgekit.contracts import FloatRule
from edgekit.quantize.bias_correction import correct_biases
from edgekit.quantize.params import fake_quantize_weight
from edgekit.quantize.simulate import energy, simulate


def outputs(program, plan, samples):
    run = simulate(program, plan)
    return [run(s)[0] for s in samples]


def test_a_linear_layer_by_hand():
    layer = nn.Linear(4, 3)
    x = torch.rand(100, 4)
    program = program_of(layer, x)
    corrected = correct_biases(program, plan_of([(x,)], "w8-weight-only"))
    shift = ((layer.weight - fake_quantize_weight(layer.weight, 0)) @ x.mean(0)).detach()
    torch.testing.assert_close(corrected.exported.state_dict["bias"] - layer.bias, shift, rtol=1e-2, atol=1e-6)
    torch.testing.assert_close(program.exported.state_dict["bias"], layer.bias)  # the original is untouched


def test_a_net_comes_nearer_to_float_and_survives_saving(net, samples):
    exact = [net.exported.module()(*s) for s in samples]
    for scheme in ("w8-weight-only", "w4-weight-only"):
        plan = plan_of(samples[:4], scheme)
        corrected = correct_biases(net, plan)
        before, after = (sum(energy(e - o) for e, o in zip(exact, outputs(p, plan, samples), strict=True))
                         for p in (net, corrected))
        assert after < before
    file = io.BytesIO()
    torch.export.save(corrected.exported, file)
    file.seek(0)
    again = replace(corrected, exported=torch.export.load(file))
    torch.testing.assert_close(outputs(again, plan, samples[:1]), outputs(corrected, plan, samples[:1]))


def test_batch_norm_takes_the_shift_of_a_convolution_without_bias():
    torch.manual_seed(0)
    x = torch.rand(1, 3, 16, 16)
    module = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU())
    program = program_of(module, x)
    corrected = correct_biases(program, plan_of([(x,)], "w4-weight-only"))
    assert not torch.equal(corrected.exported.state_dict["1.bias"], program.exported.state_dict["1.bias"])
    plan = plan_of([(x,)], "w4-weight-only")
    exact = module(x)
    assert energy(exact - outputs(corrected, plan, [(x,)])[0]) < energy(exact - outputs(program, plan, [(x,)])[0])


def test_what_is_not_quantised_is_left_alone(net, samples):
    def changed(plan, **options):
        corrected = correct_biases(net, plan, **options)
        old, new = net.exported.state_dict, corrected.exported.state_dict
        return {name for name in old if not torch.equal(old[name], new[name])}

    everything = changed(plan_of(samples))
    assert {"stem.bias", "blocks.0.depthwise.bias"} <= everything
    keep = FloatRule("blocks", "*", "test", "recipe")
    assert changed(plan_of(samples, keep_float=(keep,))) == {n for n in everything if not n.startswith("blocks")}
    assert "stem.bias" not in changed(plan_of(samples), covers=("linear",))
    assert correct_biases(net, plan_of([], "w8-weight-only")) is net
    assert correct_biases(net, plan_of(samples, "fp16")) is net


def test_programs_with_layer_norms_keep_their_biases_under_static_ranges():
    x = torch.rand(100, 4)
    program = program_of(nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 4)), x)
    assert correct_biases(program, plan_of([(x,)])) is program
    assert correct_biases(program, plan_of([(x,)], "w8-weight-only")) is not program

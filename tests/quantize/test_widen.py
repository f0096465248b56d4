"""Widening: the layer that loses most is found, and every step brings fidelity up."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from quantize_nets import Net, plan_of, program_of
from torch import nn

from edgekit.quantize.simulate import layer_errors, simulate
from edgekit.quantize.widen import candidates, choose
from edgekit.verify.compare import sqnr_db


@pytest.fixture(scope="module")
def spoilt(samples):
    """A net with a tensor between two convolutions whose channels differ a thousandfold: one scale loses most."""
    torch.manual_seed(0)
    net = Net()
    with torch.no_grad():
        net.blocks[0].expand.weight[1:] /= 1000
        net.blocks[0].expand.bias[1:] /= 1000
        net.blocks[0].depthwise.weight[1:] *= 1000
    return program_of(net, samples[0][0])


def sqnr(program, plan, rules, samples):
    return layer_errors(program, replace(plan, keep_float=rules), samples)[-1].sqnr_db


def test_choosing_reaches_the_floor_with_few_macs(spoilt, samples):
    plan = plan_of(samples)
    before = sqnr(spoilt, plan, (), samples)
    rules = choose(spoilt, plan, samples, floor_db=before + 6, max_share=0.5)
    assert sqnr(spoilt, plan, rules, samples) > before + 6
    assert all(r.origin == "widened" and "dB" in r.reason for r in rules)
    assert {r.module for r in rules} <= {"blocks.0", "blocks.0.expand", "blocks.0.depthwise"}


def test_candidates_come_best_first_and_hold_what_they_promise(spoilt, samples):
    plan = plan_of(samples)
    found = candidates(spoilt, plan, samples)
    assert [c.worth for c in found] == sorted((c.worth for c in found), reverse=True)
    best = found[0]
    before = sqnr(spoilt, plan, (), samples)
    assert sqnr(spoilt, plan, best.rules, samples) - before == pytest.approx(best.gain_db, abs=0.01)
    assert 0 <= best.share < 0.5


def test_a_larger_share_never_reaches_less(spoilt, samples):
    plan = plan_of(samples)
    reached = [sqnr(spoilt, plan, choose(spoilt, plan, samples, 99.0, max_share=s), samples) for s in (0.0, 0.2, 0.5)]
    assert reached == sorted(reached)
    assert reached[-1] < math.inf


def test_the_worst_output_counts_however_small_it_is():
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.large, self.small = nn.Linear(8, 16), nn.Linear(16, 4), nn.Linear(16, 4)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            h = torch.relu(self.body(x))
            return 100 * self.large(h), self.small(h)

    torch.manual_seed(0)
    module = Two()
    with torch.no_grad():
        module.small.weight[1:] /= 300  # one grid for all, and three outputs in its last steps
        module.small.bias[1:] /= 300
    inputs = [(torch.randn(1, 8),) for _ in range(8)]
    program, plan = program_of(module, *inputs[0]), plan_of(inputs)

    def worst(rules):
        run = simulate(program, replace(plan, keep_float=rules))
        pairs = [(module(*x), run(x)) for x in inputs]
        return min(sqnr_db(torch.cat([e[i] for e, _ in pairs]).detach().numpy(),
                           torch.cat([o[i] for _, o in pairs]).numpy()) for i in (0, 1))

    rules = choose(program, plan, inputs, floor_db=worst(()) + 1, max_share=0.5)
    assert rules
    assert worst(rules) > worst(()) + 1


def test_nothing_is_widened_above_the_floor(net, samples):
    assert choose(net, plan_of(samples), samples, floor_db=10.0) == ()

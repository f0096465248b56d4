"""Widening: the layer that loses most is found, and every step brings fidelity up."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from quantize_nets import Net, plan_of, program_of

from edgekit.quantize.simulate import layer_errors
from edgekit.quantize.widen import candidates, choose


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


def test_nothing_is_widened_above_the_floor(net, samples):
    assert choose(net, plan_of(samples), samples, floor_db=10.0) == ()

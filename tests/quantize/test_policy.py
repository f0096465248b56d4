"""What stays float by default, and that it pays."""

from __future__ import annotations

import pytest
import torch
from quantize_nets import plan_of, program_of
from torch import nn

from edgekit.quantize.attention import rounded_attention
from edgekit.quantize.params import Grid, fake_quantize, fake_quantize_dynamic
from edgekit.quantize.policy import LONG_SOFTMAX, default_rules
from edgekit.quantize.simulate import energy, layer_errors, ratio_db
from edgekit.types.scheme import SCHEMES

STATIC = SCHEMES["w8a8-static"]


class Attention(nn.Module):
    """One head over ``keys`` positions, sharp enough to have a peak; ``masked``: by a mask added, or filled in."""

    def __init__(self, masked: str = "") -> None:
        super().__init__()
        self.qkv = nn.Linear(16, 48)
        self.norm = nn.LayerNorm(16)
        self.out = nn.Linear(16, 16)
        self.masked = masked

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        scores = q @ k.transpose(-1, -2)
        hidden, lowest = x[:, None, :, 0] > 1.5, torch.finfo(torch.float32).min
        if self.masked == "added":
            scores = scores + torch.where(hidden, lowest, 0.0)
        elif self.masked == "filled":
            scores = scores.masked_fill(hidden, lowest)
        return self.norm(x + self.out(scores.softmax(-1) @ v))


def rules_for(module, x, scheme=STATIC):
    program = program_of(module, x)
    return program, default_rules(program, scheme)


def kinds(rules):
    return {(r.module, r.kind) for r in rules}


@pytest.mark.parametrize(("keys", "expected"), [
    (32, {("norm", "*"), ("", "add")}),
    (200, {("norm", "*"), ("", "add"), ("", "softmax")}),
    (600, {("norm", "*"), ("", "add"), ("", "softmax"), ("", "matmul")}),
])
def test_softmax_stays_float_by_its_length(keys, expected):
    _, rules = rules_for(Attention(), torch.randn(1, keys, 16))
    assert kinds(rules) == expected
    assert all(r.origin == "rule" for r in rules)


@pytest.mark.parametrize("masked", ["added", "filled"])
def test_rules_save_masked_attention(masked):
    torch.manual_seed(0)
    x = torch.randn(1, 32, 16) * 2
    program, rules = rules_for(Attention(masked), x)

    def attention_db(keep):
        errors = {e.name: e.sqnr_db for e in layer_errors(program, plan_of([(x,)], keep_float=keep), [(x,)])}
        return errors["matmul_1"]

    assert attention_db(()) < 10
    assert attention_db(rules) > 25


def test_the_softmax_threshold_is_where_the_fixed_grid_fails():
    torch.manual_seed(0)

    def attention_db(keys):
        probabilities, values = torch.randn(256, keys).softmax(-1), torch.randn(keys, 32)
        exact = probabilities @ values
        rounded = fake_quantize(probabilities, Grid(1 / 256, -128, -128, 127)) @ values
        return ratio_db(energy(exact), energy(exact - rounded))

    assert attention_db(LONG_SOFTMAX) > 25
    assert attention_db(1500) < 6


def test_fragile_elementwise_modules_stay_float_whole_and_others_by_node():
    class Gelu(nn.Module):
        def forward(self, x):
            return 0.5 * x * (1 + torch.tanh(0.8 * (x + 0.044715 * torch.pow(x, 3))))

    class Top(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.act, self.b = nn.Linear(4, 4), Gelu(), nn.Linear(4, 4)

        def forward(self, x):
            return torch.exp(self.b(self.act(self.a(x))))

    _, rules = rules_for(Top(), torch.randn(2, 4))
    assert {(r.module, r.kind, r.node) for r in rules} == {("act", "*", None), ("", "exp", "exp")}


@pytest.mark.parametrize("scheme", ["fp32", "fp16", "w8a8-dynamic", "w8-weight-only", "w4-weight-only"])
def test_schemes_without_static_ranges_need_no_rules(scheme):
    assert rules_for(Attention(), torch.randn(1, 200, 16), SCHEMES[scheme])[1] == ()


def test_a_plain_cnn_has_no_rules(net):
    assert default_rules(net, STATIC) == ()


class Fused(nn.Module):
    """Fused attention over its inputs alone."""

    def __init__(self, causal: bool = False) -> None:
        super().__init__()
        self.causal = causal

    def forward(self, x):
        return nn.functional.scaled_dot_product_attention(x, x * 0.9, x + 1, is_causal=self.causal)


def test_fused_attention_gets_the_rules_of_its_pieces():
    _, short = rules_for(Fused(), torch.randn(1, 2, 32, 8))
    assert short == ()
    _, long = rules_for(Fused(), torch.randn(1, 2, 600, 8))
    assert kinds(long) == {("", "softmax"), ("", "matmul")}
    _, causal = rules_for(Fused(causal=True), torch.randn(1, 2, 32, 8))
    assert kinds(causal) == {("", "softmax"), ("", "add")}


@pytest.mark.parametrize("causal", [False, True])
def test_fused_attention_rounds_inside_but_not_far(causal):
    torch.manual_seed(0)
    x = torch.randn(1, 2, 32, 8)
    program = program_of(Fused(causal), x)
    rules = default_rules(program, STATIC)
    db = layer_errors(program, plan_of([(x,)], keep_float=rules), [(x,)])[-1].sqnr_db
    assert 25 < db < 45


def test_rounded_attention_is_attention_but_for_the_rounding():
    rounded = []

    def rounding(name, value):
        rounded.append(name)
        return fake_quantize_dynamic(value)

    q, k, v = torch.randn(3, 1, 4, 16, 8).unbind(0)
    mask = torch.rand(16, 16) > 0.3
    mask[:, 0] = True
    for options in ({}, {"attn_mask": mask}, {"is_causal": True}, {"attn_mask": torch.randn(16, 16), "scale": 0.2}):
        exact = nn.functional.scaled_dot_product_attention(q, k, v, **options)
        assert ratio_db(energy(exact), energy(exact - rounded_attention(q, k, v, rounding=rounding, **options))) > 30
    assert rounded == ["scores", "probabilities"] * 4


def test_grids_inside_attention_are_those_of_all_calibration_inputs():
    torch.manual_seed(0)
    loud, quiet = 4 * torch.randn(1, 2, 32, 8), torch.randn(1, 2, 32, 8)
    program = program_of(Fused(), quiet)

    def reached(*calibration):
        return layer_errors(program, plan_of([(x,) for x in calibration]), [(quiet,)])[-1].sqnr_db

    assert reached(quiet) > reached(loud, quiet) + 5


class Spread(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x - torch.std(x, 1, keepdim=True)


@pytest.mark.parametrize("function", [nn.ELU(), nn.SELU(), nn.CELU(), nn.Mish(), nn.Softplus(), Spread()],
                         ids=lambda m: type(m).__name__)
def test_operators_that_converters_take_apart_stay_float(function: nn.Module) -> None:
    _, rules = rules_for(nn.Sequential(nn.Linear(8, 8), function, nn.Linear(8, 8)), torch.randn(2, 8))
    assert [rule.module for rule in rules] == ["1"]

"""Recurrent layers written out, and what of them stays float."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from quantize_nets import plan_of, program_of
from torch import nn

from edgekit.quantize.policy import default_rules
from edgekit.quantize.recurrent import unrolled
from edgekit.quantize.simulate import Simulator, simulate
from edgekit.types.scheme import SCHEMES
from edgekit.verify.compare import sqnr_db


class Recurrent(nn.Module):
    def __init__(self, kind: type[nn.Module]) -> None:
        super().__init__()
        self.rnn, self.head = kind(6, 24, batch_first=True), nn.Linear(24, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.rnn(x)[0][:, -1])


@pytest.fixture(params=[nn.LSTM, nn.GRU, nn.RNN], ids=["lstm", "gru", "rnn"])
def network(request):
    torch.manual_seed(0)
    return Recurrent(request.param).eval()


SAMPLES = [(torch.randn(1, 16, 6, generator=torch.Generator().manual_seed(i)),) for i in range(8)]


def test_every_step_is_written_out_and_computes_the_same(network):
    program = unrolled(program_of(network, SAMPLES[0][0]))
    names = [str(n.target) for n in program.exported.graph.nodes]
    assert sum("linear" in n for n in names) == 1 + 16 + 1  # the inputs at once, each state, the head
    torch.testing.assert_close(program.exported.module()(*SAMPLES[1]), network(*SAMPLES[1]))
    assert {s.module for s in program.sources.values()} >= {"rnn", "head"}


class Residual(nn.Module):
    """A residual sum at the top level, behind a recurrent layer, that a LayerNorm reads."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.mix = nn.GRU(8, 8, batch_first=True), nn.Linear(8, 8)
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(x + self.mix(self.rnn(x)[0])))


def test_rules_still_find_what_comes_behind_a_recurrent_layer():
    program = program_of(Residual(), torch.randn(1, 6, 8))
    rules = default_rules(program, SCHEMES["w8a8-static"])
    (residual,) = (r for r in rules if r.node)
    simulator = Simulator(program, plan_of([(torch.randn(1, 6, 8),)], keep_float=rules))
    by_name = {n.name: n for n in simulator.wiring.nodes}
    assert simulator.wiring.kinds[by_name[residual.node]] == "add"
    assert by_name[residual.node] not in simulator.covered()
    assert {"linear", "linear_1"} <= {n.name for n in simulator.covered()}


def test_other_programs_stay_as_they_are():
    program = program_of(nn.Linear(4, 4).eval(), torch.randn(1, 4))
    assert unrolled(program) is program


def test_only_the_products_of_a_recurrent_layer_are_quantised(network):
    program = program_of(network, SAMPLES[0][0])
    plan = plan_of(SAMPLES)
    ruled = replace(plan, keep_float=default_rules(program, SCHEMES["w8a8-static"]))
    simulator = Simulator(program, ruled)
    inside = {simulator.wiring.kinds[n] for n in simulator.covered()
              if (s := simulator.wiring.source(n)) and s.module == "rnn"}
    assert inside & {"linear", "add", "mul", "sigmoid", "tanh"} == {"linear"}


@pytest.mark.parametrize("network", [nn.LSTM, nn.GRU], ids=["lstm", "gru"], indirect=True)
def test_a_float_state_pays(network):
    program = program_of(network, SAMPLES[0][0])
    plan = plan_of(SAMPLES)
    wanted = torch.cat([network(*x) for x in SAMPLES]).detach().numpy()

    def reached(keep_float):
        run = simulate(program, replace(plan, keep_float=keep_float))
        return sqnr_db(wanted, torch.cat([run(x)[0] for x in SAMPLES]).numpy())

    assert reached(default_rules(program, plan.scheme)) > reached(()) + 1

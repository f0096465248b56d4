"""Which fewest layers or operators to keep float so that fidelity comes back, found by simulation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.fx import Node

from edgekit.contracts import FloatRule, Inputs, Program, QuantPlan
from edgekit.quantize.calibrate import evaluate
from edgekit.quantize.rules import matches
from edgekit.quantize.simulate import Simulator, energies, energy, ratio_db, worst_db

__all__ = ["Candidate", "candidates", "choose"]

Values = dict[Node, Any]

# Multiply-accumulates of all simulated runs in a ranking, as if each ran the whole network: about 20 s on one core.
_MAC_BUDGET = 5 * 10**10
# Memory for the activations that simulations share.
_BYTES_BUDGET = 512 * 2**20
_MAX_INPUTS = 16
# Below this a gain is noise of the inputs at hand.
_MIN_GAIN_DB = 0.05
# An operator that seems to make all the noise is taken to leave this much of it.
_LEAST_LEFT = 0.01
# Every float island costs conversions at its borders, even one without a single multiply-accumulate.
_BORDER_SHARE = 0.01
# What choose() aims above the floor: the runtimes round a little differently from the simulation.
_MARGIN_DB = 0.5
# How many of the candidates that one input ranks best are simulated on all inputs.
_CONFIRMED = 24
# How many of the best candidates choose() measures again after each choice.
_RECHECKED = 8


@dataclass(frozen=True)
class Candidate:
    """One thing to keep float: an operator, a tensor (its producer and readers), a module, or all of a kind.

    ``module`` and ``kind`` are those of the first rule, for people. ``share`` is ``macs`` over the program's (0 to 1);
    ``gain_db`` the SQNR that keeping it float alone brings.
    """

    rules: tuple[FloatRule, ...]
    macs: int
    share: float
    gain_db: float
    module: str
    kind: str

    @property
    def worth(self) -> float:
        """Gain per cost, by which candidates are sorted."""
        return self.gain_db / (self.share + _BORDER_SHARE)


def candidates(program: Program, plan: QuantPlan, inputs: Iterable[Inputs]) -> list[Candidate]:
    """What to keep float beside the plan's own rules, best gain per cost first; only what gains anything.

    Each candidate is simulated with everything else quantised, on as many of ``inputs`` as the budget allows.
    Programs too large for that try only the operators that lose most between their input and their output.
    """
    return _ranked(_Probe(program, plan, inputs))


def choose(program: Program, plan: QuantPlan, inputs: Iterable[Inputs], floor_db: float,
           max_share: float = 0.10) -> tuple[FloatRule, ...]:
    """Rules (origin "widened") that lift the simulation above ``floor_db``; as far as they get where none do.

    Greedy: takes the best candidate, measures the next ones again on top of it, until the floor and a margin are met
    or no candidate fits in ``max_share`` of all MACs. Then drops what later choices made unnecessary.
    """
    probe = _Probe(program, plan, inputs)
    target = floor_db + _MARGIN_DB
    pool, chosen = _ranked(probe), list[Candidate]()
    while probe.sqnr(_rules(chosen)) < target:
        rules = _rules(chosen)
        fitting = [c for c in pool if c not in chosen and probe.share((*rules, *c.rules)) <= max_share]
        again = [probe.measure(c, rules) for c in fitting[:_RECHECKED]]
        enough = [c for c in again if probe.sqnr((*rules, *c.rules)) >= target]
        best = min(enough, key=lambda c: c.share, default=max(again, key=lambda c: c.worth, default=None))
        if best is None or best.gain_db < _MIN_GAIN_DB:
            break
        chosen.append(best)
        pool = [c for c in pool if c.rules != best.rules]
    for one in chosen[:-1]:
        rest = [c for c in chosen if c is not one]
        if probe.sqnr(_rules(rest)) >= target:
            chosen = rest
    found = dict[FloatRule, FloatRule]()
    for one in chosen:
        for rule in one.rules:
            found.setdefault(rule, replace(rule, reason=f"brings {one.gain_db:.1f} dB for {one.share:.1%} of the MACs"))
    return tuple(found.values())


def _rules(chosen: Iterable[Candidate]) -> tuple[FloatRule, ...]:
    return tuple(rule for candidate in chosen for rule in candidate.rules)


class _Probe:
    """Output noise of a program under varying rules; whatever a rule leaves unchanged is computed once."""

    def __init__(self, program: Program, plan: QuantPlan, inputs: Iterable[Inputs]) -> None:
        self.simulator = Simulator(program, plan)
        self.wiring = self.simulator.wiring
        self.covered = self.simulator.covered()
        self.total_macs = max(1, sum(self.wiring.macs.values()))
        self.output = self.wiring.nodes[-1]
        self._by_rule: dict[FloatRule, frozenset[Node]] = {}
        self.proposals = self._proposals()
        self.samples: list[tuple[Values, tuple[Any, ...]]] = []
        self.exact: Values = {}
        self.signal: list[float] = []
        self._noise: dict[frozenset[Node], list[float]] = {}
        self._run_base(list(inputs))

    def _run_base(self, inputs: Sequence[Inputs]) -> None:
        wanted = max(2, min(_MAX_INPUTS, _MAC_BUDGET // (self.total_macs * _CONFIRMED)))
        for sample in inputs[:wanted]:
            exact = evaluate(self.wiring, sample, keep=True)
            rounded = self.simulator.run(sample, self.covered, keep=True)
            if not self.samples:
                self._drop_hopeless(exact, rounded)
                self.exact = exact
            self.samples.append((rounded, exact[self.output]))
            self.signal = _added(self.signal, energies(exact[self.output]))
            size = sum(v.nbytes for v in rounded.values() if isinstance(v, torch.Tensor))
            if (len(self.samples) + 2) * size > _BYTES_BUDGET:
                break

    def _proposals(self) -> list[Candidate]:
        """What may be worth keeping float: operators, tensors, modules, and whole kinds.

        A tensor is its producer with all its readers: an activation is only free of rounding when both are float.
        """
        found: dict[frozenset[Node], Candidate] = {}
        modules, kinds = dict[str, int](), dict[str, int]()
        for node in self.wiring.nodes:
            if node not in self.covered or self.wiring.head(node) is not node:
                continue
            own = self._node_rule(node)
            self._propose(found, own)
            readers = [self._node_rule(n) for n in self.wiring.readers(node) if n in self.covered]
            self._propose(found, own, *readers)
            kinds[own.kind] = kinds.get(own.kind, 0) + 1
            parts = own.module.split(".") if own.module not in ("", "*") else []
            for end in range(1, len(parts) + 1):
                path = ".".join(parts[:end])
                modules[path] = modules.get(path, 0) + 1
        for path in (p for p, held in modules.items() if held > 1):
            self._propose(found, FloatRule(path, "*", "", "widened"))
        for kind in (k for k, held in kinds.items() if held > 1):
            self._propose(found, FloatRule("*", kind, "", "widened"))
        return list(found.values())

    def _node_rule(self, node: Node) -> FloatRule:
        source = self.wiring.source(node)
        return FloatRule(source.module if source else "*", self.wiring.kinds[node], "", "widened", node.name)

    def _propose(self, found: dict[frozenset[Node], Candidate], *rules: FloatRule) -> None:
        removed = self.removed(rules)
        macs = self.macs_of(removed)
        if removed and macs <= self.total_macs // 2:
            first = rules[0]
            found.setdefault(removed, Candidate(rules, macs, macs / self.total_macs, 0.0, first.module, first.kind))

    def _drop_hopeless(self, exact: Values, rounded: Values) -> None:
        """Keeps as many proposals as the budget can simulate once: those whose operators lose most by themselves."""
        affordable = max(_CONFIRMED, _MAC_BUDGET // self.total_macs)
        if len(self.proposals) <= affordable:
            return
        ratio = {n: energy(v - rounded[n]) / max(energy(v), 1e-30) for n, v in exact.items()
                 if isinstance(v, torch.Tensor) and v.is_floating_point()}

        def loss(candidate: Candidate) -> float:
            return sum(ratio[n] - max((ratio.get(i, 0.0) for i in n.all_input_nodes), default=0.0)
                       for n in self.removed(candidate.rules))

        self.proposals = sorted(self.proposals, key=loss, reverse=True)[:affordable]

    def removed(self, rules: tuple[FloatRule, ...]) -> frozenset[Node]:
        """The quantised nodes that ``rules`` make float."""
        return frozenset().union(*(self._removed_by(rule) for rule in rules))

    def _removed_by(self, rule: FloatRule) -> frozenset[Node]:
        if rule not in self._by_rule:
            heads = {n for n in map(self.wiring.head, self.covered)
                     if matches(rule, self.wiring.source(n), self.wiring.kinds[n], n.name)}
            self._by_rule[rule] = frozenset(n for n in self.covered if self.wiring.head(n) in heads)
        return self._by_rule[rule]

    def macs_of(self, nodes: Iterable[Node]) -> int:
        return sum(self.wiring.macs[n] for n in nodes)

    def share(self, rules: tuple[FloatRule, ...]) -> float:
        """Share of MACs that ``rules`` take out of quantisation."""
        return self.macs_of(self.removed(rules)) / self.total_macs

    def sqnr(self, rules: tuple[FloatRule, ...]) -> float:
        """SQNR of the worst output in dB over the sampled inputs, with ``rules`` beside the plan's."""
        removed = self.removed(rules)
        if removed not in self._noise:
            noise: list[float] = []
            for base, exact in self.samples:
                noise = _added(noise, self._noise_of(base, exact, self.covered - removed, removed))
            self._noise[removed] = noise
        return worst_db(self.signal, self._noise[removed])

    def estimate(self, candidate: Candidate) -> Candidate:
        """The candidate with the gain that its own noise promises, were noises independent: first input only.

        One operator's noise in a float network is steadier than what leaving it out takes from all noise together.
        Judged by the output that is worst with everything quantised.
        """
        removed = self.removed(candidate.rules)
        own = self._noise_of(self.exact, self.exact[self.output], removed, removed)
        everything = self._noise_of(*self.samples[0], self.covered, frozenset())
        worst = min(range(len(everything)), key=lambda i: ratio_db(self.signal[i], everything[i]), default=None)
        left = 1.0 if worst is None or not everything[worst] else max(1 - own[worst] / everything[worst], _LEAST_LEFT)
        return replace(candidate, gain_db=-10 * math.log10(left))

    def _noise_of(self, base: Values, exact: tuple[Any, ...], covered: frozenset[Node],
                  changed: frozenset[Node]) -> list[float]:
        """Noise of each output with ``covered`` quantised, from values ``base`` that hold before ``changed`` nodes."""
        stale = self._stale(changed)
        known = {n: v for n, v in base.items() if n not in stale}
        outputs = self.simulator.run(self._inputs(base), covered, known=known)[self.output]
        return energies(e - o for e, o in zip(exact, outputs, strict=True) if e.is_floating_point())

    def _inputs(self, base: Values) -> Inputs:
        return tuple(base[n] for n in self.wiring.nodes if n.op == "placeholder" and n not in self.wiring.constants)

    def _stale(self, removed: frozenset[Node]) -> set[Node]:
        """Nodes whose value changes when ``removed`` are float: they, all after them, and fused ones before them."""
        stale = set(removed)
        for node in self.wiring.nodes:
            if any(n in stale for n in node.all_input_nodes):
                stale.add(node)
        return stale | {self.output}

    def measure(self, candidate: Candidate, beside: tuple[FloatRule, ...]) -> Candidate:
        """The candidate with its gain and cost on top of ``beside``."""
        rules = (*beside, *candidate.rules)
        macs = self.macs_of(self.removed(rules) - self.removed(beside))
        gain = self.sqnr(rules) - self.sqnr(beside)
        return replace(candidate, macs=macs, share=macs / self.total_macs, gain_db=gain)


def _added(total: list[float], more: list[float]) -> list[float]:
    return [a + b for a, b in zip(total, more, strict=True)] if total else more


def _ranked(probe: _Probe) -> list[Candidate]:
    """All proposals by the noise that they alone make on one input; the best of those by their real gain."""
    rough = sorted((probe.estimate(c) for c in probe.proposals), key=lambda c: c.worth, reverse=True)
    real = (probe.measure(c, ()) for c in rough[:_CONFIRMED])
    return sorted((c for c in real if c.gain_db >= _MIN_GAIN_DB), key=lambda c: c.worth, reverse=True)

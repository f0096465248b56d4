"""Counts priced by a core's parameters."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from edgekit.estimate.price import Misses, Work, price, stacked
from edgekit.estimate.timing import GROUPS, CoreTiming, Cycles, Scheduled, Threading
from edgekit.measure.emulated.build import SOURCES

CYCLES = Cycles(multiply_add=2, integer_multiply=3, vector=1, vector_memory=4, memory=1, integer=0.5, l1_miss=5,
                l2_miss=20, streamed=0.5)
SCHEDULED = Scheduled(share=0.5, multiply_add=0.2, integer_multiply=0.3, vector=0.1, vector_memory=0.4, memory=0.1,
                      integer=0.05)
TIMING = CoreTiming(core="some-core", cycles=CYCLES, scheduled=SCHEDULED, line_ns=10, streamed=0.25, bus_share=0.5,
                    spread=0.2, measured_spread=0.1, provenance={},
                    threads=Threading(parallel_share=0.9, line_share=0.5, region_cycles=1000))
NONE = Misses(0, 0)
WIDE = 1e6  # GB/s: a bus that nothing waits for


def work(*levels: Misses) -> Work:
    return Work.of_classes({"fp32_multiply_add": 1e6, "fp16_multiply_add": 1e6, "branch": 2e6, "load": 1e6},
                           levels or (NONE, NONE), 10)


def test_instructions_cost_their_cycles() -> None:
    found = price(work(), TIMING, ghz=2, gb_s=WIDE)
    assert found.compute_ms == pytest.approx((2e6 * 2 + 2e6 * 0.5 + 1e6) / 2e6)
    assert (found.memory_ms, found.overhead_ms) == (0, 0)


def test_a_schedule_costs_a_share_and_what_stands_beside_it() -> None:
    planned = replace(work(), scheduled=3e6)
    found = price(planned, TIMING, ghz=2, gb_s=WIDE)
    assert found.compute_ms == pytest.approx((3e6 * 0.5 + 2e6 * 0.2 + 2e6 * 0.05 + 1e6 * 0.1) / 2e6)
    both = price(stacked([planned, replace(planned, scheduled=6e6)]), TIMING, ghz=2, gb_s=WIDE)
    assert list(both.ms) == pytest.approx([found.ms, found.ms + 3e6 * 0.5 / 2e6])  # type: ignore[call-overload]
    assert price(stacked([planned, work()]), TIMING, 2, WIDE).ms == pytest.approx(  # one without: none counts as such
        [price(work(), TIMING, 2, WIDE).ms] * 2)


def test_the_last_level_waits_for_memory() -> None:
    base = price(work(), TIMING, ghz=1, gb_s=WIDE).compute_ms
    two = price(work(Misses(1e5, 0), Misses(1e4, 0)), TIMING, ghz=1, gb_s=WIDE)
    assert two.compute_ms == pytest.approx(base + 0.5)
    assert two.memory_ms == pytest.approx(1e4 * 10e-6)
    three = price(work(Misses(1e5, 0), Misses(1e4, 0), Misses(1e3, 0)), TIMING, ghz=1, gb_s=WIDE)
    assert three.compute_ms == pytest.approx(base + 0.5 + 0.2)
    assert three.memory_ms == pytest.approx(1e3 * 10e-6)


def test_lines_of_a_stream_cost_less() -> None:
    base = price(work(), TIMING, ghz=1, gb_s=WIDE).compute_ms
    found = price(work(Misses(1e5, 6e4), Misses(1e4, 4e3)), TIMING, ghz=1, gb_s=WIDE)
    assert found.compute_ms == pytest.approx(base + (4e4 + 6e4 * 0.5) * 5e-6)
    assert found.memory_ms == pytest.approx((6e3 + 4e3 * 0.25) * 10e-6)


def test_threads_divide_a_share_and_pay_for_operators() -> None:
    one, four = (price(work(NONE, Misses(1e4, 0)), TIMING, 1, WIDE, threads, line_ns=20) for threads in (1, 4))
    assert four.compute_ms == pytest.approx(one.compute_ms * (0.1 + 0.9 / 4))
    assert four.memory_ms == pytest.approx(one.memory_ms / 4)
    assert one.memory_ms == pytest.approx(1e4 * 20e-6)
    assert (one.overhead_ms, four.overhead_ms) == (0, pytest.approx(0.01))


def test_several_at_once_cost_what_each_does() -> None:
    works = [work(Misses(1e5, 6e4), Misses(1e4, 4e3)), work(Misses(1e5, 0), Misses(2e4, 0), Misses(1e3, 500)),
             Work({"vector": 3e5}, (Misses(10, 0), Misses(7, 1)), 4)]
    found = price(stacked(works), TIMING, 1, WIDE, np.array([1, 4, 2]), np.array([20, 10, 30.0]))  # type: ignore[arg-type]
    alone = [price(one, TIMING, 1, WIDE, threads, ns)
             for one, threads, ns in zip(works, (1, 4, 2), (20, 10, 30.0), strict=True)]
    assert list(found.ms) == pytest.approx([one.ms for one in alone])  # type: ignore[call-overload]


def test_a_call_may_cost_more_than_it_executes() -> None:
    calls = TIMING.model_copy(update={"operator_cycles": 500})
    one, four = (price(work(), calls, 1, WIDE, threads).overhead_ms for threads in (1, 4))
    assert (one, four) == (pytest.approx(0.005), pytest.approx(0.015))


def test_threads_divide_less_of_the_lines_from_further_caches() -> None:
    one, four = (price(work(Misses(1e5, 0), NONE), TIMING, 1, WIDE, threads).compute_ms
                 - price(work(NONE, NONE), TIMING, 1, WIDE, threads).compute_ms for threads in (1, 4))
    assert one == pytest.approx(0.5)
    assert four == pytest.approx(one * (0.5 + 0.5 / 4))


def test_all_threads_share_one_bus() -> None:
    lines = Misses(1e5, 1e5)
    one, four = (price(work(NONE, lines), TIMING, 1, 8, threads) for threads in (1, 4))
    bus = 1e5 * 64 / (0.5 * 8) * 1e-6
    assert four.memory_ms == pytest.approx(bus, rel=0.05)
    assert bus < four.memory_ms <= one.memory_ms
    assert price(work(NONE, lines), TIMING, 1, 16, 4).memory_ms < four.memory_ms


def test_many_inferences_at_once() -> None:
    several = Work({"integer": np.array([1e6, 2e6])}, (Misses(np.array([1e4, 2e4]), np.array([0, 1e4])),),
                   np.array([5, 6]))
    found = price(several, TIMING, np.array([1.0, 2.0]), np.array([8.0, 16.0]), np.array([1, 4]))
    for k, (ghz, gb_s, threads) in enumerate(((1, 8, 1), (2, 16, 4))):
        alone = Work({"integer": (k + 1) * 1e6}, (Misses((k + 1) * 1e4, k * 1e4),), 5 + k)
        assert found.ms[k] == pytest.approx(price(alone, TIMING, ghz, gb_s, threads).ms)


def test_every_class_that_is_counted_has_a_group() -> None:
    """But for those that stay off."""
    text = (SOURCES / "classify.h").read_text()
    listed = re.search(r"#define CLASSES\(X\)((?:.*\\\n)*.*)\n", text)
    assert listed is not None
    assert set(re.findall(r"X\((\w+)\)", listed[1])) - {"sve", "sme"} == set(GROUPS)

"""What a kernel table makes of an operator."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgekit.estimate.kernels import Kernel, Operator, lost, work_of

KERNEL = Kernel(mac=0.25, input=1, output=2, operator=100, mix={"multiply_add": 0.75, "integer": 0.25}, input_passes=2,
                output_passes=1, weight_passes=3, streamed=0.5)
CALL = Operator("gemm.float32", macs=4000, inputs=100, outputs=50, input_bytes=640, output_bytes=320, weight_bytes=1280)


def test_instructions_grow_with_the_shape() -> None:
    work = work_of(CALL, KERNEL, [1], 1280)
    assert sum(work.groups.values()) == pytest.approx(0.25 * 4000 + 100 + 2 * 50 + 100)
    assert work.groups["multiply_add"] == 3 * work.groups["integer"]


def test_first_level_lines_are_passes_over_the_data() -> None:
    first, = work_of(CALL, KERNEL, [1], 1280).levels
    assert first.lines == pytest.approx((2 * 640 + 320 + 3 * 1280) / 64)
    assert first.streamed == first.lines / 2


def test_a_large_cache_keeps_what_a_small_one_loses() -> None:
    _, small, large = work_of(CALL, KERNEL, [1, 1, 1e9], 1280).levels
    assert small.lines == pytest.approx((1280 + 640 + 320) / 64)
    assert large.lines < 1e-6


def test_weights_return_only_after_the_whole_network() -> None:
    _, alone = work_of(CALL, KERNEL, [1, 10_000], 1280).levels
    _, among_others = work_of(CALL, KERNEL, [1, 10_000], 10_000_000).levels
    assert alone.lines < 2
    assert among_others.lines == pytest.approx(1280 / 64, rel=0.1)


def test_a_copy_before_the_operator_moves_data_twice() -> None:
    twice = KERNEL.model_copy(update={"moves": 2.0})
    _, one = work_of(CALL, KERNEL, [1, 1], 1280).levels
    _, two = work_of(CALL, twice, [1, 1], 1280).levels
    assert two.lines - one.lines == pytest.approx((640 + 320) / 64, rel=1e-3)


def test_calls_of_the_inner_kernel_cost_beside_the_operator() -> None:
    called = KERNEL.model_copy(update={"call": 7.0})
    assert sum(work_of(replace(CALL, calls=5), called, [1], 1280).groups.values()) == pytest.approx(
        sum(work_of(CALL, KERNEL, [1], 1280).groups.values()) + 35)


def test_weights_that_a_cache_cannot_hold_return_for_each_row() -> None:
    rows = replace(CALL, rows=10)
    again = KERNEL.model_copy(update={"row_passes": 0.25})
    few, many = (work_of(call, again, [1, 1e9], 1280).levels for call in (CALL, rows))
    assert many[0].lines - few[0].lines == pytest.approx(10 * 0.25 * 1280 / 64, rel=1e-3)
    assert many[1].lines == pytest.approx(few[1].lines, abs=1e-6)
    assert work_of(rows, again, [1e9, 1e9], 1280).levels[0].lines == pytest.approx(few[0].lines)


def test_what_a_kernel_lays_out_is_written_and_read() -> None:
    _, without = work_of(CALL, KERNEL, [1, 1], 1280).levels
    _, scratch = work_of(replace(CALL, scratch_bytes=640), KERNEL, [1, 1], 1280).levels
    assert scratch.lines - without.lines == pytest.approx(2 * 640 / 64, rel=1e-3)


def test_no_cache_gives_more_lines_than_the_one_before_asked_for() -> None:
    kernel = KERNEL.model_copy(update={"weight_passes": 0.0, "input_passes": 0.5, "output_passes": 0.5})
    first, second = work_of(CALL, kernel, [1, 1], 1e9).levels
    assert second.lines == first.lines


def test_what_a_cache_loses_grows_with_use() -> None:
    assert lost(100, 1e9) < 1e-9
    assert lost(1e9, 1e9) == 0.5
    assert lost(1e12, 1e9) == pytest.approx(1, abs=1e-5)

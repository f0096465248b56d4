"""Cycles of blocks of instructions on pipelines, where the answer is known from the pipelines' own figures."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from edgekit.devices.catalogue import get_core, get_pipeline
from edgekit.devices.instructions import decode
from edgekit.devices.schedule import block_cycles, scheduled_cycles

FMLA_INTO_V8, SMLAL = 0x4F811008, 0x0E218008
LDR_Q30, LDR_D30, LDR_X3 = 0x3DC0003E, 0xFD40003E, 0xF9400023
ADD_X1, ADD_X5, B_NE, NOP = 0x8B020021, 0x8B0700C5, 0x54FFFFC1, 0xD503201F


def fmla(n: int) -> list[int]:
    """fmla into ``n`` sums that do not wait for one another."""
    return [FMLA_INTO_V8 & ~0x1F | 8 + k for k in range(n)]


def cycles(core: str, words: Sequence[int]) -> float:
    return block_cycles([decode(word) for word in words], get_core(core))


@pytest.mark.parametrize(("core", "each"), [("cortex-a35", 2), ("cortex-a53", 1), ("cortex-a55", 1), ("cortex-a72", 1),
                                            ("cortex-a76", 0.5), ("cortex-x3", 0.25)])
def test_products_reach_the_rate_of_the_profile(core: str, each: float) -> None:
    assert cycles(core, fmla(16)) == pytest.approx(16 * each, rel=0.05)
    assert each == 4 / get_core(core).macs_per_cycle.fp32


@pytest.mark.parametrize("core", ["cortex-a53", "cortex-a55", "cortex-a72", "cortex-a76", "cortex-x3"])
def test_a_sum_waits_for_the_one_before(core: str) -> None:
    forwarded = get_pipeline(get_core(core).pipeline).sum_latency.multiply_add
    assert cycles(core, fmla(1) * 8) == pytest.approx(8 * forwarded)


@pytest.mark.parametrize("core", ["cortex-a53", "cortex-a55", "cortex-a76"])
def test_integer_products_of_vectors_reach_the_rate_of_the_profile(core: str) -> None:
    words = [SMLAL & ~0x1F | k for k in range(8, 24)]
    assert cycles(core, words) == pytest.approx(16 * 8 / get_core(core).macs_per_cycle.int8, rel=0.05)


def test_in_order_cores_start_two_at_once_where_nothing_is_shared() -> None:
    """What ncnn's documentation measured: docs/developer-guide/arm-a53-a55-dual-issue.md."""
    products = fmla(8)

    def beside(core: str, word: int) -> float:
        return cycles(core, [w for product in products for w in (product, word)]) / len(products)

    assert [beside(core, ADD_X5) for core in ("cortex-a53", "cortex-a55")] == [1, 1]
    assert [beside(core, LDR_X3) for core in ("cortex-a53", "cortex-a55")] == [1, 1]
    assert [beside(core, LDR_D30) for core in ("cortex-a53", "cortex-a55")] == [2, 1]
    assert [beside(core, LDR_Q30) for core in ("cortex-a53", "cortex-a55")] == [3, 3]


def test_order_matters_in_order_only() -> None:
    """A load right before its use: an in-order core waits, an out-of-order one takes the next round ahead."""
    use, others = FMLA_INTO_V8 | 30 << 5, fmla(8)[1:]  # fmla v8.4s, v30.4s, v1.s[0]
    late, early = [*others, LDR_Q30, use], [LDR_Q30, *others, use]
    assert cycles("cortex-a53", late) == cycles("cortex-a53", early) + 3
    assert cycles("cortex-a76", late) == pytest.approx(cycles("cortex-a76", early), abs=0.2)


def test_a_chain_of_additions_and_a_nop() -> None:
    assert cycles("cortex-a76", [ADD_X1] * 6) == pytest.approx(6)
    assert [cycles("cortex-a53", [NOP] * n) for n in (1, 3, 5, 8)] == [0.5, 1.5, 2.5, 4]
    assert [cycles("cortex-a510", [NOP] * n) for n in (1, 3, 4)] == [pytest.approx(n / 3) for n in (1, 3, 4)]
    assert cycles("cortex-a76", [NOP] * 8) == pytest.approx(2)


def test_an_address_that_moves_on_is_there_before_the_value() -> None:
    assert cycles("cortex-a76", [0x3CC10422] * 4) == pytest.approx(4, rel=0.1)  # ldr q2, [x1], #16


def test_blocks_count_by_their_runs_and_the_rest_by_their_average() -> None:
    core = get_core("cortex-a53")
    text = "".join(f"{word:08x}" for word in fmla(8))
    nops = f"{NOP:08x}" * 4
    assert scheduled_cycles([(10, text), (5, nops)], 100, core) == 10 * 8 + 5 * 2
    assert scheduled_cycles([(10, text), (5, nops)], 200, core) == 2 * (10 * 8 + 5 * 2)
    assert scheduled_cycles([], 0, core) == 0
    assert scheduled_cycles([(10, text)], 80, core) == 10 * 8


def test_the_last_register_of_a_load_comes_when_all_have_passed() -> None:
    """64 bytes by 8 a cycle, and what waits for them."""
    four, use = 0x4C40253E, FMLA_INTO_V8 & ~(31 << 5) | 1 << 5  # ld1 {v30.8h - v1.8h}, [x9]; fmla v8.4s, v1.4s, ...
    one = get_pipeline("cortex-a53").latency.vector_load
    assert cycles("cortex-a53", [four, use]) == one + 7 + 1


def test_a_division_leaves_room_for_other_vectors() -> None:
    divide = 0x6E21FC1E  # fdiv v30.4s, v0.4s, v1.4s
    alone = get_pipeline("cortex-a72").latency.float_divide
    assert cycles("cortex-a72", [divide]) == alone
    assert cycles("cortex-a72", [divide, *fmla(16)]) == alone


@pytest.mark.parametrize("core", ["cortex-a35", "kryo", "oryon", "cortex-a510"])
def test_every_shape_of_core_ends(core: str) -> None:
    words = [*fmla(4), LDR_Q30, LDR_D30, SMLAL, ADD_X1, 0x4CDF2524, 0x4C9FA8B0, 0x1AC20820, B_NE, NOP]
    assert 0 < cycles(core, words) < 100

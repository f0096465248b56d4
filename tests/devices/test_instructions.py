"""What instructions ask of a core, by their encodings (assembled by LLVM 19)."""

from __future__ import annotations

import pytest

from edgekit.devices.instructions import Instruction, decode


@pytest.mark.parametrize(("word", "expected"), [
    (0x4F811008, Instruction("multiply_add", ("v0", "v1", "v8"), ("v8",), 16, sums="v8")),  # fmla v8.4s, v0.4s, v1.s[0]
    (0x4F001094, Instruction("multiply_add", ("v4", "v0", "v20"), ("v20",), 16, sums="v20")),  # of float16
    (0x1F020C20, Instruction("multiply_add", ("v1", "v2", "v3"), ("v0",), 8, sums="v3")),  # fmadd s0, s1, s2, s3
    (0x2E21DC08, Instruction("float_multiply", ("v0", "v1"), ("v8",), 8)),  # fmul v8.2s, v0.2s, v1.2s
    (0x4E819408, Instruction("dot", ("v0", "v1", "v8"), ("v8",), 16, sums="v8")),  # sdot v8.4s, v0.16b, v1.16b
    (0x0E218008, Instruction("integer_multiply_add", ("v0", "v1", "v8"), ("v8",), 16, sums="v8")),  # smlal v8.8h, ...
    (0x4E22C020, Instruction("integer_multiply", ("v1", "v2"), ("v0",), 16)),  # smull2 writes all of its destination
    (0x4E612820, Instruction("vector", ("v1", "v0"), ("v0",), 16)),  # xtn2 keeps the lower half
    (0x4E181EA1, Instruction("transfer", ("x21", "v1"), ("v1",), 8)),  # mov v1.d[1], x21 keeps the other lane
    (0x0E023C23, Instruction("transfer", ("v1",), ("x3",), 8)),  # umov w3, v1.h[0]
    (0x6E361ED6, Instruction("move", (), ("v22",), 16)),  # eor v22, v22, v22 waits for nothing
    (0x6E221C20, Instruction("vector", ("v1", "v2"), ("v0",), 16)),  # eor v0, v1, v2
    (0x6E200820, Instruction("vector", ("v1",), ("v0",), 16)),  # rev32 writes all of its destination
    (0x4F001420, Instruction("vector", ("v0",), ("v0",), 16)),  # orr v0.4s, #1 adds to it
    (0x1E210400, Instruction("vector", ("v0", "v1", "flags"), ("flags",), 8)),  # fccmp s0, s1, #0, eq
    (0x8B020021, Instruction("integer", ("x1", "x2"), ("x1",))),  # add x1, x1, x2
    (0x910043E0, Instruction("integer", ("sp",), ("x0",))),  # add x0, sp, #16
    (0xD10083FF, Instruction("integer", ("sp",), ("sp",))),  # sub sp, sp, #32
    (0xEB2163FF, Instruction("integer", ("sp", "x1"), ("flags",))),  # cmp sp, x1
    (0x910003FD, Instruction("integer", ("sp",), ("x29",))),  # mov x29, sp
    (0xBA020020, Instruction("integer", ("x1", "x2", "flags"), ("x0", "flags"))),  # adcs x0, x1, x2
    (0x0B050884, Instruction("shifted", ("x4", "x5"), ("x4",))),  # add w4, w4, w5, lsl #2
    (0x71000484, Instruction("integer", ("x4",), ("x4", "flags"))),  # subs w4, w4, #1
    (0x6B05007F, Instruction("integer", ("x3", "x5"), ("flags",))),  # cmp w3, w5
    (0x1A9FC0C6, Instruction("integer", ("x6", "flags"), ("x6",))),  # csel w6, w6, wzr, gt
    (0x9B027C20, Instruction("multiply", ("x1", "x2"), ("x0",))),
    (0x1AC20820, Instruction("divide", ("x1", "x2"), ("x0",))),
    (0x54FFFFC1, Instruction("branch", ("flags",))),  # b.ne
    (0x34000040, Instruction("branch", ("x0",))),  # cbz w0
    (0xD503201F, Instruction("none")),  # nop
    (0xFFFFFFFF, Instruction("none")),  # no instruction
])
def test_computing(word: int, expected: Instruction) -> None:
    assert decode(word) == expected


@pytest.mark.parametrize(("word", "expected"), [
    (0xF9400023, Instruction("load", ("x1",), ("x3",), 8)),  # ldr x3, [x1]
    (0xFD400020, Instruction("vector_load", ("x1",), ("v0",), 8)),  # ldr d0, [x1]
    (0x3CC10422, Instruction("vector_load", ("x1",), ("v2", "x1"), 16, address="x1")),  # ldr q2, [x1], #16
    (0x4CDF2524, Instruction("vector_load", ("x9",), ("v4", "v5", "v6", "v7", "x9"), 64, address="x9")),  # ld1, four
    (0x0DC49060, Instruction("vector_load", ("x3", "x4", "v0"), ("v0", "x3"), 8, address="x3")),  # ld1 {v0.s}[1]
    (0xACC14052, Instruction("vector_load", ("x2",), ("v18", "v16", "x2"), 32, address="x2")),  # ldp q18, q16
    (0x3CA47870, Instruction("vector_store", ("x3", "x4", "v16"), (), 16)),  # str q16, [x3, x4, lsl #4]
    (0x4C9FA8B0, Instruction("vector_store", ("x5", "v16", "v17"), ("x5",), 32, address="x5")),  # st1, two
    (0xF9808040, Instruction("prefetch", ("x2",))),  # prfm pldl1keep, [x2, #256]
])
def test_memory(word: int, expected: Instruction) -> None:
    assert decode(word) == expected

"""What an AArch64 instruction asks of a core: the kind of its work, the registers that it waits for and those it makes.

Encodings are read by Capstone; which operand is read and which is written follows here from the kind of instruction,
because Capstone does not say it for all vector instructions.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

__all__ = ["Instruction", "Kind", "decode"]

Kind = Literal["none", "load", "vector_load", "store", "vector_store", "prefetch", "branch", "integer", "shifted",
               "multiply", "divide", "multiply_add", "float_multiply", "float", "float_divide", "integer_multiply",
               "integer_multiply_add", "dot", "matrix", "vector", "move", "transfer"]

# Vector instructions by kind; what is in none of these is "vector".
_KINDS: dict[Kind, str] = {
    "multiply_add": "fmla fmls fmadd fmsub fnmadd fnmsub fmlal fmlal2 fmlsl fmlsl2 bfdot bfmlalb bfmlalt",
    "float_multiply": "fmul fmulx fnmul frecps frsqrts",
    "float": "fadd fsub fabd fmax fmin fmaxnm fminnm faddp fmaxp fminp fmaxv fminv fmaxnmv fminnmv fcvt fcvtl fcvtl2 "
             "fcvtn fcvtn2 fcvtns fcvtas fcvtms fcvtps fcvtzs fcvtzu scvtf ucvtf frinta frintm frintn frintp frintx "
             "frintz frecpe frsqrte fcmgt fcmge fcmeq fcmle fcmlt fcmp fcmpe",
    "float_divide": "fdiv fsqrt",
    "integer_multiply": "mul smull smull2 umull umull2 sqdmulh sqrdmulh sqdmull sqdmull2 pmul pmull pmull2",
    "integer_multiply_add": "mla mls smlal smlal2 umlal umlal2 smlsl smlsl2 umlsl umlsl2 sqdmlal sqdmlal2 sadalp "
                            "uadalp saba uaba sabal uabal",
    "dot": "sdot udot usdot sudot",
    "matrix": "smmla ummla usmmla bfmmla"}
_KIND = {name: kind for kind, names in _KINDS.items() for name in names.split()}
_SUMS = ("multiply_add", "integer_multiply_add", "dot", "matrix")
# What keeps a part of its destination, which it so waits for; the second halves of narrowing instructions do too.
_KEEPS = frozenset({"movk", "bfi", "bfc", "bfxil", "bsl", "bit", "bif", "tbx", "sli", "sri", "ssra", "usra", "srsra",
                    "ursra", "sqrdmlah", "sqrdmlsh", "aese", "aesd"})
_FOUR_OPERANDS = ("fmadd", "fmsub", "fnmadd", "fnmsub")  # their sum is an operand of its own
_WHOLE = re.compile(r"(.*[a-z](l|w)|zip|uzp|trn|rev3)2$")  # end in 2 and write all of their destination
_INTEGER: dict[Kind, str] = {"multiply": "mul madd msub mneg smull umull smaddl umaddl smsubl umsubl smulh umulh",
                             "divide": "udiv sdiv"}
_INTEGER_KIND = {name: kind for kind, names in _INTEGER.items() for name in names.split()}
_COMPARES = frozenset({"cmp", "cmn", "tst", "ccmp", "ccmn", "fcmp", "fcmpe", "fccmp", "fccmpe"})
_ASKS_FLAGS = frozenset({"csel", "cset", "csetm", "cinc", "cinv", "cneg", "csinc", "csinv", "csneg", "fcsel", "adc",
                         "adcs", "sbc", "sbcs", "ngc", "ngcs", "ccmp", "ccmn", "fccmp", "fccmpe"})
_BRANCHES = re.compile(r"(b|bl|br|blr|ret|cbz|cbnz|tbz|tbnz|b\..*)$")
_SHIFTED = re.compile(r"[wx]\d+, ([su]xt[bhw]|lsl|lsr|asr|ror)\b")
_WIDE = re.compile(r"\.(16b|8h|4s|2d)\b|\bq\d")
_BYTES = {"q": 16, "d": 8, "s": 4, "h": 2, "b": 1, "x": 8, "w": 4}


@dataclass(frozen=True)
class Instruction:
    """``reads`` and ``writes`` are registers ("x3", "v0", "flags"); ``size`` the bytes of a load or store, of a vector
    instruction 16 or 8; ``address`` is the register whose address a load or store moves on, ``sums`` the accumulator.
    """

    kind: Kind
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    size: int = 0
    address: str | None = None
    sums: str | None = None


@cache
def decode(word: int) -> Instruction:
    """The instruction of an encoding; one that Capstone does not know takes a place and nothing else."""
    for insn in _capstone().disasm(struct.pack("<I", word), 0):
        return _instruction(insn)
    return Instruction("none")


@cache
def _capstone() -> Any:
    import capstone

    engine = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_LITTLE_ENDIAN)
    engine.detail = True
    return engine


def _instruction(insn: Any) -> Instruction:
    name, text = insn.mnemonic, insn.op_str
    found = [insn.reg_name(operand.reg) for operand in insn.operands if _is_register(operand)]
    registers = list(_named(found))
    flags = ("flags",) if name in _ASKS_FLAGS or name.startswith("b.") else ()
    if name in ("nop", "hint"):
        return Instruction("none")
    if name.startswith("prf"):
        return Instruction("prefetch", tuple(_addresses(insn)))
    if name.startswith(("ld", "st")):
        return _memory(insn, found)
    if _BRANCHES.match(name):
        return Instruction("branch", (*registers, *flags))
    if not any(map(_is_vector, found)):
        kind = _INTEGER_KIND.get(name) or ("shifted" if _SHIFTED.search(text) else "integer")
        return _computed(insn, kind, registers, flags, 0)
    clears = name == "eor" and registers[1:] == registers[2:] * 2
    kind = _KIND.get(name) or ("transfer" if not all(map(_is_vector, found)) else
                               "move" if clears or (name in ("mov", "movi", "fmov") and "[" not in text) else "vector")
    if clears:
        registers = registers[:1]  # it waits for nothing
    return _computed(insn, kind, registers, flags, 16 if _WIDE.search(text) else 8)


def _computed(insn: Any, kind: Kind, registers: list[str], flags: tuple[str, ...], size: int) -> Instruction:
    name = insn.mnemonic
    if name in _COMPARES or not registers:
        return Instruction(kind, (*registers, *flags), ("flags",) if name in _COMPARES else (), size)
    made, *read = registers
    sums = kind in _SUMS and name not in _FOUR_OPERANDS
    half = name.endswith("2") and not _WHOLE.match(name)
    constant = name in ("orr", "bic") and size and not read
    if sums or half or constant or name in _KEEPS or insn.operands[0].vector_index >= 0:
        read.append(made)
    return Instruction(kind, (*read, *flags), (made, *["flags"] * insn.update_flags), size,
                       sums=made if sums else read[-1] if name in _FOUR_OPERANDS else None)


def _memory(insn: Any, found: list[str]) -> Instruction:
    load, address = insn.mnemonic.startswith("ld"), tuple(_addresses(insn))
    data = found[:next((k for k, operand in enumerate(insn.operands) if operand.type == _MEMORY), len(found))]
    own, vector = tuple(_named(data)), any(map(_is_vector, data))
    lane = any(operand.vector_index >= 0 for operand in insn.operands[:len(data)] if _is_register(operand))
    each = (8 if lane or insn.mnemonic.endswith("r") else 16 if _WIDE.search(insn.op_str) else 8)
    size = sum(each if r[0] == "v" else _BYTES.get(r[0], 8) for r in data)
    moved = address[:1] if insn.writeback else ()
    kind: Kind = ("vector_load" if vector else "load") if load else ("vector_store" if vector else "store")
    stride = tuple(_named(found[len(data):]))  # that moves the address on
    reads = (*address, *stride, *(own if lane or not load else ()))
    return Instruction(kind, reads, (*(own if load else ()), *moved), size, address=moved[0] if moved else None)


_REGISTER, _MEMORY = 1, 3  # capstone.arm64.ARM64_OP_REG, ARM64_OP_MEM


def _is_vector(register: str) -> bool:
    return register[0] in "vqdshb" and register != "sp"


def _is_register(operand: Any) -> bool:
    return bool(operand.type == _REGISTER)


def _addresses(insn: Any) -> Iterator[str]:
    for operand in insn.operands:
        if operand.type == _MEMORY:
            yield from _named(insn.reg_name(r) for r in (operand.mem.base, operand.mem.index) if r)


def _named(registers: Any) -> Iterator[str]:
    """All widths of a register by one name; the zero register, for which nothing waits, left out."""
    for register in registers:
        if register in ("wzr", "xzr"):
            continue
        if register in ("sp", "wsp"):
            yield "sp"
        elif register in ("fp", "lr"):
            yield "x29" if register == "fp" else "x30"
        else:
            yield ("x" if register[0] in "wx" else "v") + register[1:]

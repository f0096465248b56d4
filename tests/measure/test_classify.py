"""The class of an instruction, against the assembler's own encodings."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from edgekit.measure.emulated.build import SOURCES

# One instruction each; split at the semicolons.
_BY_CLASS = {
    "integer":
        "add x0, x1, x2; add x0, x1, #4; madd x0, x1, x2, x3; ubfx w0, w1, #3, #4",
    "branch":
        "b .; cbz x0, .; br x3; ret; tbnz x0, #3, .",
    "system":
        "nop; svc #0; mrs x0, midr_el1; dmb ish; dc zva, x0; smstart",
    "load":
        "ldr x0, [x1]; ldrb w0, [x1, x2]; ldrsw x0, [x1, #8]; ldp x0, x1, [x2]; ldr x0, .; ldur w0, [x1, #-3]",
    "store":
        "str x0, [x1]; strb w0, [x1], #1; stp x0, x1, [sp, #-16]!",
    "vector_load":
        "ldr q0, [x1]; ldp q0, q1, [x2]; ld1 {v0.16b-v3.16b}, [x0]; ld1r {v0.4s}, [x0]; ldr s0, [x1, #4]; "
        "ld2 {v0.8h, v1.8h}, [x0], #32",
    "vector_store":
        "str q0, [x1], #16; st1 {v0.8b}, [x0]; stp d8, d9, [sp]; str b0, [x1]",
    "atomic_or_prefetch":
        "ldadd x0, x1, [x2]; ldaxr x0, [x1]; cas x0, x1, [x2]; stlr x0, [x1]; prfm pldl1keep, [x0, #64]",
    "scalar_float":
        "fadd s0, s1, s2; fmadd d0, d1, d2, d3; fcvtzs w0, s1; scvtf d0, x1",
    "vector":
        "fmul v0.4s, v1.4s, v2.4s; fadd v0.8h, v1.8h, v2.8h; smax v0.4s, v1.4s, v2.4s; movi v0.16b, #0; "
        "sqxtn v0.8b, v1.8h; tbl v0.16b, {v1.16b}, v2.16b; sshll v0.8h, v1.8b, #0; saddl v0.8h, v1.8b, v2.8b; "
        "fmul v0.4s, v1.4s, v2.s[1]; sqrdmulh v0.4s, v1.4s, v2.4s; fmaxnm v0.4s, v1.4s, v2.4s; "
        "zip1 v0.4s, v1.4s, v2.4s",
    "fp32_multiply_add":
        "fmla v0.4s, v1.4s, v2.4s; fmla v0.4s, v1.4s, v2.s[3]; fmls v0.4s, v1.4s, v2.s[0]",
    "fp64_multiply_add":
        "fmla v0.2d, v1.2d, v2.2d; fmls v0.2d, v1.2d, v2.d[1]",
    "fp16_multiply_add":
        "fmla v0.8h, v1.8h, v2.8h; fmla v0.8h, v1.8h, v2.h[3]; fmlal v0.4s, v1.4h, v2.4h; "
        "fmlal2 v0.4s, v1.4h, v2.h[1]",
    "integer_multiply":
        "mla v0.4s, v1.4s, v2.4s; mul v0.8h, v1.8h, v2.8h; smlal v0.4s, v1.4h, v2.4h; "
        "smlal2 v0.4s, v1.8h, v2.h[5]; smull v0.8h, v1.8b, v2.8b; mla v0.8h, v1.8h, v2.h[1]; "
        "sqdmull v0.4s, v1.4h, v2.h[0]; umlal v0.8h, v1.8b, v2.8b",
    "int8_dot":
        "sdot v0.4s, v1.16b, v2.16b; udot v0.4s, v1.16b, v2.4b[1]; usdot v0.4s, v1.16b, v2.16b; "
        "sudot v0.4s, v1.16b, v2.4b[2]; sdot v0.4s, v1.16b, v2.4b[3]",
    "i8mm":
        "smmla v0.4s, v1.16b, v2.16b; ummla v0.4s, v1.16b, v2.16b; usmmla v0.4s, v1.16b, v2.16b",
    "bf16":
        "bfmmla v0.4s, v1.8h, v2.8h; bfdot v0.4s, v1.8h, v2.8h; bfmlalb v0.4s, v1.8h, v2.h[0]",
    "crypto":
        "aese v0.16b, v1.16b; sha256h q0, q1, v2.4s",
    "sve":
        "add z0.s, z1.s, z2.s",
    "sme":
        "fmopa za0.s, p0/m, p1/m, z0.s, z1.s",
}
CASES = {instruction: name for name, text in _BY_CLASS.items() for instruction in text.split("; ")}


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Each instruction's class, by the plugin's own header."""
    folder: Path = tmp_path_factory.mktemp("classify")
    text = "\n".join([".arch armv8.6-a+sve2+crypto+i8mm+bf16+fp16fml+sme", *CASES, ""])
    (folder / "a.s").write_text(text)
    subprocess.run(["aarch64-linux-gnu-as", "-o", "a.o", "a.s"], check=True, cwd=folder)
    subprocess.run(["aarch64-linux-gnu-objcopy", "-O", "binary", "-j", ".text", "a.o", "a.bin"], check=True, cwd=folder)
    (folder / "main.c").write_text(f'#include <stdio.h>\n#include "{SOURCES}/classify.h"\n'
                                   "int main(void) { uint32_t w; while (fread(&w, 4, 1, stdin)) "
                                   "puts(class_names[classify(w)]); return touches_memory(C_integer); }\n")
    subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-o", "main", "main.c"], check=True, cwd=folder)
    with (folder / "a.bin").open("rb") as words:
        said = subprocess.run([str(folder / "main")], stdin=words, capture_output=True, text=True, check=True).stdout
    return dict(zip(CASES, said.split(), strict=True))


@pytest.mark.parametrize("instruction", CASES)
def test_class(classes: dict[str, str], instruction: str) -> None:
    assert classes[instruction] == CASES[instruction]

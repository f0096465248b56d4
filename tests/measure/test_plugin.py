"""What the emulator's plugin sees of small guest programs."""

from __future__ import annotations

from pathlib import Path

import pytest
from guest import PAGE, compile_guest, run_guest

HEAD = """
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#define MARK(what) syscall(0x4544, what)
static char *pages(size_t n) { return mmap(0, n * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static void touch(volatile char *p, size_t n) { for (size_t k = 0; k < n; k++) p[k * 4096] = 1; }
"""


def peak(tmp_path: Path, body: str) -> int:
    """Pages at the peak, less those of a program that does nothing."""
    idle, doing = tmp_path / "idle", tmp_path / "doing"
    counts = []
    for folder, text in ((idle, ""), (doing, body)):
        folder.mkdir()
        done, lines = run_guest(compile_guest(f"{HEAD}int main(void) {{ {text} return 0; }}", folder), folder)
        assert done.returncode == 0, done.stderr
        counts.append(int(lines[-1]["peak_pages"]))
    return counts[1] - counts[0]


@pytest.mark.parametrize(("body", "pages"), [
    ("touch(pages(1000), 500);", 500),
    ("char *p = pages(500); touch(p, 500); munmap(p, 500 * 4096); touch(pages(400), 400);", 500),
    ("char *p = pages(500); touch(p, 500); madvise(p, 500 * 4096, MADV_DONTNEED); touch(pages(600), 600);", 600),
    ("char *p = pages(500); touch(p, 500); mremap(p, 500 * 4096, 600 * 4096, MREMAP_MAYMOVE); touch(pages(100), 100);",
     600),
    ("char *p = pages(300); int f = open(\"/proc/self/exe\", 0); read(f, p, 4096); touch(pages(300), 300);", 301),
    ("memset(pages(300), 0, 300 * 4096);", 300),
])
def test_pages_at_the_peak(tmp_path: Path, body: str, pages: int) -> None:
    found = peak(tmp_path, body)
    assert abs(found - pages) <= 8  # starting a program takes some pages that it gives back


def test_marks_count_what_lies_between(tmp_path: Path) -> None:
    program = compile_guest(f"""{HEAD}
int main(void) {{
    for (int k = 0; k < 2; k++) {{
        MARK(1);
        asm volatile("mov x9, #1000\\n1: fmla v0.4s, v1.4s, v2.4s\\n sdot v3.4s, v4.16b, v5.16b\\n subs x9, x9, #1\\n"
                     "b.ne 1b" ::: "x9", "cc", "v0", "v3");
        MARK(2);
    }}
    return 0;
}}""", tmp_path)
    done, lines = run_guest(program, tmp_path)
    assert done.returncode == 0
    assert [line["what"] for line in lines] == ["inference", "inference", "total"]
    for line in lines[:2]:
        assert line["by_class"]["fp32_multiply_add"] == line["by_class"]["int8_dot"] == 1000
        assert 1000 <= line["by_class"]["branch"] < 1100
        assert sum(line["by_class"].values()) == line["instructions"]
        loop = [text for runs, text in line["blocks"] if runs == 999]  # the first round is in the block before it
        assert [[text[k:k + 8] for k in range(0, len(text), 8)] for text in loop] == [
            ["4e22cc20", "4e859483", "f1000529", "54ffffa1"]]
        known = sum(runs * len(text) // 8 for runs, text in line["blocks"])
        assert 0.95 * line["instructions"] < known <= line["instructions"]
    assert "blocks" not in lines[2]


def test_caches_miss_what_does_not_fit(tmp_path: Path) -> None:
    program = compile_guest(f"""{HEAD}
static volatile char data[256 * 1024];
int main(void) {{
    MARK(0);
    for (int size = 16; size <= 256; size *= 4)
        for (int k = 0; k < 2; k++) {{
            MARK(1);
            for (int at = 0; at < size * 1024; at += 64) data[at];
            MARK(2);
        }}
    return 0;
}}""", tmp_path)
    done, lines = run_guest(program, tmp_path, plugin="pages=0,cache=32:4+128:8,cache=128:8")
    assert done.returncode == 0
    first, second = ([line["caches"][0][level]["misses"] for line in lines[1:-1:2]] for level in (0, 1))
    assert first[0] < 20
    assert first[1] >= 1024 > second[1]  # 64 KiB: misses the first level, hits the second
    assert second[2] >= 4096  # 256 KiB: misses both
    beside = [line["caches"][1][0]["misses"] for line in lines[1:-1:2]]
    streamed = lines[-2]["caches"][1][0]["streamed"]
    assert 4096 * 0.98 < streamed <= 4096  # the last loop goes through memory in order
    assert beside[1] < 20
    assert beside[2] >= 4096


def test_no_network(tmp_path: Path) -> None:
    program = compile_guest(f"{HEAD}int main(void) {{ int s = socket(AF_INET, SOCK_STREAM, 0); "
                            "printf(\"%d %d\\n\", s, errno == EACCES); return 0; }", tmp_path)
    assert run_guest(program, tmp_path)[0].stdout == "-1 1\n"


def test_a_limit_on_pages_ends_the_guest(tmp_path: Path) -> None:
    program = compile_guest(f"{HEAD}int main(void) {{ touch(pages(3000), 3000); return 0; }}", tmp_path)
    assert run_guest(program, tmp_path, plugin=f"pages=1,limit={8 * 2**20 // PAGE}")[0].returncode == 77
    assert run_guest(program, tmp_path, plugin="pages=1,limit=4000")[0].returncode == 0


@pytest.mark.parametrize(("core", "dot", "i8mm"), [("cortex-a53", 0, 0), ("cortex-a76", 1, 0), ("cortex-x3", 1, 1)])
def test_scalable_vectors_stay_off(tmp_path: Path, core: str, dot: int, i8mm: int) -> None:
    """QEMU 7.2 computes SME's int8 products wrongly: no runtime may see SVE (bit 22) or SME (second word, bit 23)."""
    program = compile_guest(f"{HEAD}int main(void) {{ long a = getauxval(AT_HWCAP), b = getauxval(AT_HWCAP2); "
                            "printf(\"%ld %ld %ld %ld\\n\", a >> 22 & 1, b >> 23 & 1, a >> 20 & 1, b >> 13 & 1); "
                            "return 0; }", tmp_path)
    assert run_guest(program, tmp_path, core=core)[0].stdout == f"0 0 {dot} {i8mm}\n"


@pytest.mark.parametrize("wrong", ["nothing=1", "cache=32", "cache=0:4", "cache=32:4;", "cache=32:4+", "cache=32:4+1"])
def test_unknown_arguments_are_refused(tmp_path: Path, wrong: str) -> None:
    program = compile_guest("int main(void) { return 0; }", tmp_path)
    done, _ = run_guest(program, tmp_path, plugin=wrong)
    assert done.returncode != 0
    assert f"cannot use argument '{wrong.split('=')[0]}" in done.stderr

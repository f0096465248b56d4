"""The boards and phones of the tests behave as real ones where it matters to whoever measures on them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from daemons import Adbd, Machine, Sshd, adbd, android_root, arm64_root, serve_adb, serve_ssh, sshd
from guest import compile_guest

__all__ = ["adbd", "android_root", "arm64_root", "sshd"]

MIB = 2**20
WORK = {"ssh": "/var/tmp", "adb": "/data/local/tmp"}
HELLO = '#include <stdio.h>\nint main(void) { puts("hello"); return 7; }\n'
Done = subprocess.CompletedProcess[bytes]


@pytest.fixture(scope="module")
def board(arm64_root: Path) -> Iterator[Sshd]:
    with serve_ssh(arm64_root) as served:
        yield served


@pytest.fixture(scope="module")
def phone(android_root: Path) -> Iterator[Adbd]:
    with serve_adb(android_root) as served:
        yield served


@pytest.fixture(params=WORK)
def either(request: pytest.FixtureRequest) -> Sshd | Adbd:
    return request.getfixturevalue({"ssh": "board", "adb": "phone"}[request.param])


def shell(device: Sshd | Adbd, command: str, data: bytes | None = None, seconds: float = 60) -> Done:
    if isinstance(device, Sshd):
        words, env = ["ssh", "-F", str(device.config), "-T", "board", command], {}
    else:
        words, env = ["adb", "-s", device.serial, "shell", "-T", command], device.env
    return subprocess.run(words, input=data, capture_output=True, timeout=seconds, check=False,
                          env={**os.environ, **env}, stdin=None if data is not None else subprocess.DEVNULL)


def push(device: Sshd | Adbd, file: Path, where: str) -> Done:
    if isinstance(device, Sshd):
        return shell(device, f"cat > {where} && chmod 755 {where}", file.read_bytes())
    return subprocess.run(["adb", "-s", device.serial, "push", str(file), where], capture_output=True, timeout=60,
                          check=False, env={**os.environ, **device.env})


def work(device: Sshd | Adbd) -> str:
    return WORK["ssh" if isinstance(device, Sshd) else "adb"]


def big(tmp_path: Path) -> Path:
    (tmp_path / "big").write_bytes(os.urandom(4 * MIB))
    return tmp_path / "big"


def test_commands_and_files(either: Sshd | Adbd, tmp_path: Path) -> None:
    done = shell(either, "uname -m; grep -m1 part /proc/cpuinfo; exit 9")
    part = b"0xd0b" if isinstance(either, Sshd) else b"0xd4e"
    assert (done.returncode, done.stdout) == (9, b"aarch64\nCPU part\t: " + part + b"\n")
    file, there = big(tmp_path), f"{work(either)}/big"
    assert push(either, file, there).returncode == 0
    assert (either.machine.root / there[1:]).read_bytes() == file.read_bytes()
    pulled = subprocess.run(["sha256sum"], input=file.read_bytes(), capture_output=True, check=True).stdout[:64]
    assert shell(either, f"sha256sum {there}").stdout[:64] == pulled
    made = shell(either, f"cd {work(either)} && mkdir -p a/b && mv big a/b && tar -cf t a && rm -r a && tar -xf t && "
                         "test -x / && ls a/b && stat -c %s t && rm -r a t")
    assert (made.returncode, made.stderr) == (0, b"")
    assert made.stdout.split()[0] == b"big"


def test_a_phone_has_no_c_library(phone: Adbd, tmp_path: Path) -> None:
    """What is linked to glibc starts there by a loader that is pushed with it, and only so."""
    hello, loader, libc = compile_guest(HELLO, tmp_path), library("ld-linux-aarch64.so.1"), library("libc.so.6")
    assert shell(phone, f"mkdir {WORK['adb']}/h").returncode == 0
    for file in (hello, loader):
        assert push(phone, file, f"{WORK['adb']}/h/{file.name}").returncode == 0
    by_itself = shell(phone, f"cd {WORK['adb']}/h && chmod 755 * && ./guest")
    assert by_itself.returncode != 0
    assert by_itself.stdout == b""
    assert b"ld-linux-aarch64.so.1" in by_itself.stderr
    by_loader = f"cd {WORK['adb']}/h && ./ld-linux-aarch64.so.1 --library-path . ./guest"
    without = shell(phone, by_loader)
    assert (without.returncode, without.stdout) == (127, b"")
    assert b"libc.so.6: cannot open shared object file" in without.stderr
    assert push(phone, libc, f"{WORK['adb']}/h/libc.so.6").returncode == 0
    done = shell(phone, by_loader)
    assert (done.returncode, done.stdout) == (7, b"hello\n")


def library(name: str) -> Path:
    return Path(subprocess.run(["aarch64-linux-gnu-gcc", f"-print-file-name={name}"], capture_output=True, text=True,
                               check=True).stdout.strip())


def test_a_board_has_one(board: Sshd, tmp_path: Path) -> None:
    assert push(board, compile_guest(HELLO, tmp_path), "/tmp/hello").returncode == 0
    done = shell(board, "/tmp/hello")
    assert (done.returncode, done.stdout) == (7, b"hello\n")


def test_a_connection_that_is_cut(either: Sshd | Adbd, tmp_path: Path) -> None:
    there = f"{work(either)}/cut"
    either.machine.cut(after=MIB)
    assert push(either, big(tmp_path), there).returncode in (1, 255)
    either.machine.restore()
    back(either)
    size = shell(either, f"stat -c %s {there}").stdout
    assert not size or int(size) < 4 * MIB  # adbd deletes what is incomplete


def test_a_connection_that_ends_while_a_program_runs(either: Sshd | Adbd) -> None:
    with subprocess.Popen(command_that_sleeps(either), env=environment(either), stdin=subprocess.DEVNULL) as client:
        wait_until(lambda: sleeping(either.machine))
        either.machine.cut(how="gone")
        # adb 29 calls a command whose device went away a success
        assert client.wait(60) == (255 if isinstance(either, Sshd) else 0)
    if isinstance(either, Sshd):
        assert sleeping(either.machine)
    assert shell(either, "true").returncode == (255 if isinstance(either, Sshd) else 1)
    either.machine.restore()
    back(either)


def command_that_sleeps(device: Sshd | Adbd) -> list[str]:
    if isinstance(device, Sshd):
        return ["ssh", "-F", str(device.config), "-T", "board", "sleep 5555"]
    return ["adb", "-s", device.serial, "shell", "-T", "sleep 5555"]


def environment(device: Sshd | Adbd) -> dict[str, str]:
    return {**os.environ, **(device.env if isinstance(device, Adbd) else {})}


def sleeping(machine: Machine) -> bool:
    return any(command[-1] == "5555" and "sleep" in command[0] for command in machine.programs())


def back(device: Sshd | Adbd) -> None:
    wait_until(lambda: shell(device, "true").returncode == 0)


def wait_until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_connection_that_hangs(board: Sshd) -> None:
    board.machine.cut(how="hang")
    with pytest.raises(subprocess.TimeoutExpired):
        shell(board, "true", seconds=2)
    board.machine.restore()
    back(board)


def test_a_disk_that_is_full(sshd: Callable[..., Sshd], adbd: Callable[..., Adbd], tmp_path: Path) -> None:
    for start, folder in ((sshd, WORK["ssh"]), (adbd, WORK["adb"])):
        device = start(disks={folder: MIB})
        done = push(device, big(tmp_path), f"{folder}/big")
        assert done.returncode == 1
        assert b"No space left on device" in done.stderr + done.stdout
        assert shell(device, f"echo small > {folder}/small").returncode == (1 if start is sshd else 0)


def test_without_a_device_this_machine_shows(sshd: Callable[..., Sshd]) -> None:
    done = shell(sshd(device=None), "cat /proc/cpuinfo")
    assert b"vendor_id" in done.stdout
    assert b"CPU part" not in done.stdout


START = """
import sys, time
from daemons import roots, serve_ssh
with serve_ssh(roots() / "board") as board:
    print(board.machine.root, flush=True)
    time.sleep(60 if sys.argv[1] == "wait" else 0)
"""


@pytest.mark.parametrize("end", ["return", "kill"])
def test_nothing_stays(arm64_root: Path, end: str) -> None:
    """Not even where the tests are killed: only files are left then, and the next machine takes them away."""
    with subprocess.Popen([sys.executable, "-c", START, "wait" if end == "kill" else "go"], stdout=subprocess.PIPE,
                          cwd=Path(__file__).parent, text=True) as tests:
        assert tests.stdout is not None
        root = Path(tests.stdout.readline().strip())
        first = int(root.parts[2])
        if end == "kill":
            tests.send_signal(signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(first))
    folder = Path("/", *root.parts[4:]).parent
    assert folder.exists() == (end == "kill")
    with serve_ssh(arm64_root):
        assert not folder.exists()

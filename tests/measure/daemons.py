"""Real daemons of a board and of a phone for end-to-end tests: arm64 dropbear and adbd on this machine's loopback.

``python tests/measure/daemons.py`` prepares what they need, once; later runs need no network. Fixtures, to be imported
by name: ``arm64_root``, ``android_root``, ``sshd``, ``adbd``; the last two are functions that start a daemon.

The daemons and all that they start run under QEMU and proot, in namespaces of their own (daemon_loop.py): their
network is only reached through one port of 127.0.0.1, they can write to nothing but their own copy of the root, and the
kernel ends all of them together. That takes root. The phone's root is like Android's: no C library where programs look
for one, Android's own shell (mksh) and tools (toybox) in /system/bin, linked to /system/bin/linker64.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil
import pytest

from edgekit.devices.catalogue import get_core, get_device
from edgekit.disk import cache_folder
from edgekit.measure.emulated.device_root import cpu_model, write_root

COMMAND = "python tests/measure/daemons.py"
# What is needed on this machine -> the package that has it.
_PROGRAMS = {"proot": "proot", "qemu-aarch64": "qemu-user", "adb": "adb", "ssh": "openssh-client",
             "patchelf": "patchelf", "unshare": "util-linux", "setpriv": "util-linux"}
_BOARD = ("dropbear-bin", "dash", "coreutils", "tar", "sed", "grep", "gzip", "findutils", "procps", "libc-bin",
          "libstdc++6", "usr-is-merged")
_PHONE = ("adbd", "mksh", "toybox", "busybox-static")
_ONLY_IN_ANDROIDS_TOYBOX = ("awk", "dd", "diff", "expr", "tr")  # Debian builds its own without them
# Raised when what is made from the packages changes: roots made before are then made anew.
_LAYOUT = 1
_LIBRARIES = ("lib/aarch64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib/aarch64-linux-gnu/android")
_SECONDS = 600
_SECONDS_TO_ANSWER = 60


class NotPrepared(Exception):
    """Something the daemons need is missing, in one sentence."""


# Preparing


def prepare() -> None:
    """Installs what is missing on this machine, as root, and unpacks the roots. Each step is done once."""
    missing = _missing()
    if missing:
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            raise NotPrepared(f"missing: {', '.join(missing)}. Next: sudo apt-get install {' '.join(missing)}")
        print(f"installing {', '.join(missing)}", flush=True)
        _command(["apt-get", "update", "-qq"])
        _command(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing])
    roots()


def roots() -> Path:
    """The folder with the arm64 roots ``board`` and ``phone``, made by the first call."""
    folder = (cache_folder() / "emulator").resolve() / "test-root"
    made = folder / "layout"
    if made.is_file() and made.read_text() == str(_LAYOUT):
        return folder
    print(f"unpacking the roots of a board and a phone into {folder}", flush=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix="test-root.", dir=folder.parent))
    try:
        _make_roots(making)
        (making / "layout").write_text(str(_LAYOUT))
        making.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        making.rename(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return folder


def _missing() -> list[str]:
    return list(dict.fromkeys(package for program, package in _PROGRAMS.items() if not shutil.which(program)))


def _make_roots(making: Path) -> None:
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    name = release.get("VERSION_CODENAME", "").strip('"')
    if release.get("ID") != "debian" or not shutil.which("apt-get"):
        raise NotPrepared("the daemons come from Debian's arm64 packages, and this is no Debian")
    listed = _command(["apt-get", "indextargets", "--no-release-info", "--format",
                       "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"])
    mirror = next((line.split()[0] for line in listed.splitlines() if line.split()[1:] == [name, "main"]), None)
    if mirror is None:
        raise NotPrepared(f"no source of {name}'s main packages is among apt's")
    apt = making / "apt"
    options = _apt_state(apt, mirror, name)
    _command(["apt-get", *options, "-o", "APT::Update::Error-Mode=any", "update", "-qq"])
    _fetch(apt, options, _BOARD, making / "board")
    _fetch(apt, [*options, "-t", f"{name}-backports"], _PHONE, apt / "phone")
    _finish_board(making / "board")
    _make_phone(apt / "phone", making / "phone")
    shutil.rmtree(apt)


def _apt_state(folder: Path, mirror: str, name: str) -> list[str]:
    """Options by which apt works for arm64 in a folder, and leaves this machine's packages and lists alone."""
    for part in ("lists/partial", "archives/partial"):
        (folder / part).mkdir(parents=True)
    (folder / "status").touch()
    key = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (folder / "sources.list").write_text("".join(f"deb [signed-by={key}] {mirror} {suite} main\n"
                                                 for suite in (name, f"{name}-backports")))
    settings = {"APT::Architecture": "arm64", "APT::Architectures": "arm64", "APT::Sandbox::User": "",
                "Debug::NoLocking": "1", "Dir::Cache": folder, "Dir::Cache::archives": folder / "archives",
                "Dir::Etc::sourcelist": folder / "sources.list", "Dir::Etc::sourceparts": "/dev/null",
                "Dir::State": folder, "Dir::State::lists": folder / "lists", "Dir::State::status": folder / "status"}
    return [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]


def _fetch(apt: Path, options: list[str], packages: tuple[str, ...], root: Path) -> None:
    """Unpacks packages and what they depend on."""
    _command(["apt-get", *options, "install", "-y", "-qq", "--no-install-recommends", "--download-only", *packages])
    root.mkdir()
    for archive in sorted((apt / "archives").glob("*.deb")):
        _command(["dpkg-deb", "-x", str(archive), str(root)])
        archive.unlink()
    for unused in ("usr/share", "usr/lib/aarch64-linux-gnu/gconv", "lib/systemd"):
        shutil.rmtree(root / unused, ignore_errors=True)


def _finish_board(root: Path) -> None:
    """Folders and accounts, which Debian's installer makes."""
    for folder in ("dev", "proc", "sys", "root", "etc/dropbear", "var/tmp", "tmp"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for folder in ("tmp", "var/tmp"):
        (root / folder).chmod(0o1777)
    _write_accounts(root / "etc", {"root": (0, "/root")})


def _write_accounts(etc: Path, accounts: Mapping[str, tuple[int, str]]) -> None:
    for file, line in {"passwd": "{0}:x:{1}:{1}::{2}:/bin/sh\n", "group": "{0}:x:{1}:\n"}.items():
        (etc / file).write_text("".join(line.format(user, *rest) for user, rest in accounts.items()))


def _make_phone(unpacked: Path, root: Path) -> None:
    """Android's layout: its C library is not Debian's, so Debian's must not be where a pushed program looks for one."""
    programs, libraries = root / "system/bin", root / "system/lib64"
    for folder in ("system/bin", "system/lib64", "system/etc", "data/local/tmp", "dev", "proc", "sys"):
        (root / folder).mkdir(parents=True)
    _write_accounts(root / "system/etc", {"root": (0, "/"), "shell": (2000, "/")})
    (root / "data/local/tmp").chmod(0o771)
    for folder in ("bin", "etc"):
        (root / folder).symlink_to(f"system/{folder}")
    for library in (file for folder in _LIBRARIES for file in sorted((unpacked / folder).glob("*.so.*"))):
        shutil.copy(library, libraries / library.name)
    shutil.move(libraries / "ld-linux-aarch64.so.1", programs / "linker64")
    shutil.copy(unpacked / "usr/lib/aarch64-linux-musl/bin/mksh", programs / "sh")  # the one linked statically
    for program in ("bin/toybox", "usr/lib/android-sdk/platform-tools/adbd"):
        shutil.copy(unpacked / program, programs)
        _command(["patchelf", "--set-interpreter", "/system/bin/linker64", "--force-rpath", "--set-rpath",
                  "/system/lib64", str(programs / Path(program).name)])
    shutil.copy(unpacked / "bin/busybox", programs)
    for tool in _ONLY_IN_ANDROIDS_TOYBOX:
        (programs / tool).symlink_to("busybox")
    emulator = ["proot", "-q", "qemu-aarch64", "-r", str(root), "-w", "/", "/system/bin/toybox"]
    for tool in _command(emulator, env=_PROOT).split():
        (programs / tool).symlink_to("toybox")


_PROOT = {"PATH": os.environ.get("PATH", os.defpath), "PROOT_NO_SECCOMP": "1"}


def _command(command: list[str], env: Mapping[str, str] | None = None, seconds: float = _SECONDS) -> str:
    said_in_english = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False,
                              env=env or said_in_english)
    except subprocess.TimeoutExpired as error:
        raise NotPrepared(f"{command[0]}: no end after {seconds:g} s") from error
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise NotPrepared(f"{' '.join(command[:1] + command[-2:])}: {'; '.join(dict.fromkeys((said[0], said[-1])))}")
    return done.stdout


# Starting


@dataclass(frozen=True)
class Machine:
    """A running board or phone: ``root`` is its file system as its processes see it, ``log`` what its daemon said."""

    port: int
    root: Path
    log: Path
    _process: subprocess.Popen[str]
    _pid: int

    def cut(self, after: int = 0, how: Literal["close", "gone", "hang"] = "close") -> None:
        """Once ``after`` more bytes have passed, in both directions and over all connections, these end.

        ``close``: they are closed, new ones are served. ``gone``: new ones are closed at once too. ``hang``: nothing is
        closed and nothing passes any more, as when a cable is pulled. A program that runs on the machine stays.
        """
        self._tell(after, how)

    def restore(self) -> None:
        """Undoes ``cut``: what hung flows again."""
        self._tell(0, "restore")

    def programs(self) -> list[list[str]]:
        """The arguments of all emulated programs that run, the daemon's own too."""
        space = os.readlink(f"/proc/{self._pid}/ns/pid")
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if os.readlink(f"/proc/{process.pid}/ns/pid") == space:
                    # qemu-aarch64 [options] -0 NAME PROGRAM ARGUMENTS
                    command = process.cmdline()
                    if Path(command[0]).name == "qemu-aarch64":
                        found.append(command[command.index("-0") + 2:])
        return found

    def _tell(self, after: int, how: str) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"after": after, "how": how}) + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n"


@dataclass(frozen=True)
class Sshd:
    """A board that dropbear serves. ``ssh -F config board`` reaches it; the host key in ``known_hosts`` is demanded."""

    machine: Machine
    host: str
    port: int
    user: str
    key: Path
    known_hosts: Path
    config: Path


@dataclass(frozen=True)
class Adbd:
    """A phone that is connected to an ADB server of its own. ``env`` is what makes ``adb`` talk to that server."""

    machine: Machine
    server_port: int
    serial: str
    env: dict[str, str]


@contextmanager
def serve_ssh(board: Path, *, device: str | None = "raspberry-pi-5",
              disks: Mapping[str, int] | None = None) -> Iterator[Sshd]:
    """Dropbear on a copy of the root ``board``, with keys of its own.

    ``device`` is the profile whose CPU the board shows and is emulated with (its fastest cluster); None shows this
    machine's /proc/cpuinfo and /sys, as emulation without any care does. ``disks`` are folders that get a disk of their
    own of so many bytes: a small one is soon full.
    """
    with _copy(board) as folder:
        client, root = folder / "client", folder / "root"
        client.mkdir()
        key, config, known_hosts = client / "key", client / "config", client / "known_hosts"
        _command(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)])
        keys = root / "root/.ssh"
        keys.mkdir(mode=0o700)
        shutil.copy(f"{key}.pub", keys / "authorized_keys")
        made = _command([*_emulator(root, None), "dropbearkey", "-t", "ed25519", "-f",
                         "/etc/dropbear/dropbear_ed25519_host_key"], env=_PROOT)
        host_key = next(line for line in made.splitlines() if line.startswith("ssh-"))
        with _machine(folder, ["/usr/sbin/dropbear", "-i", "-s"], 0, {}, device, disks) as machine:
            known_hosts.write_text(f"[127.0.0.1]:{machine.port} {host_key}\n")
            config.write_text(f"Host board\n HostName 127.0.0.1\n Port {machine.port}\n User root\n"
                              f" IdentityFile {key}\n IdentitiesOnly yes\n UserKnownHostsFile {known_hosts}\n"
                              " GlobalKnownHostsFile /dev/null\n StrictHostKeyChecking yes\n")
            yield Sshd(machine, "127.0.0.1", machine.port, "root", key, known_hosts, config)


@contextmanager
def serve_adb(phone: Path, *, device: str | None = "pixel-8", disks: Mapping[str, int] | None = None) -> Iterator[Adbd]:
    """adbd on a copy of the root ``phone``, connected to an ADB server on a port of its own. See ``serve_ssh``."""
    env = {"PATH": "/system/bin", "HOME": "/", "ANDROID_ROOT": "/system", "ANDROID_DATA": "/data",
           "TMPDIR": "/data/local/tmp"}
    with _copy(phone) as folder, _machine(folder, ["/system/bin/adbd"], 5555, env, device, disks) as machine:
        with socket.create_server(("127.0.0.1", 0)) as listening, (folder / "adb.log").open("w") as log:
            server_port = listening.getsockname()[1]
            env = {"ANDROID_ADB_SERVER_PORT": str(server_port)}
            # Its keys are its own, and it takes neither emulators nor phones of this machine's user.
            alone = '[ ! -d /dev/bus/usb ] || mount -t tmpfs tmpfs /dev/bus/usb && exec "$@"'
            server = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "sh", "-c", alone, "sh", "adb", "-L",
                 f"acceptfd:{listening.fileno()}", "nodaemon", "server"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                pass_fds=[listening.fileno()],
                env={**os.environ, "HOME": str(folder), "ADB_LOCAL_TRANSPORT_MAX_PORT": "0"})
        serial, here = f"127.0.0.1:{machine.port}", {**os.environ, **env}
        try:
            _command(["adb", "connect", serial], here, _SECONDS_TO_ANSWER)
            _command(["adb", "-s", serial, "wait-for-device"], here, _SECONDS_TO_ANSWER)
            yield Adbd(machine, server_port, serial, env)
        finally:
            server.terminate()
            server.wait(_SECONDS_TO_ANSWER)
            # One that a client has started after it, on the same port.
            subprocess.run(["adb", "kill-server"], env=here, timeout=_SECONDS_TO_ANSWER, check=False,
                           capture_output=True)


@contextmanager
def _copy(root: Path) -> Iterator[Path]:
    places = Path("/var/tmp")  # proot gets a /tmp of its own
    for stale in places.glob("edgekit-machine-*-*"):  # of tests that were killed
        if not psutil.pid_exists(int(stale.name.split("-")[2])):
            shutil.rmtree(stale, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"edgekit-machine-{os.getpid()}-", dir=places))
    try:
        shutil.copytree(root, folder / "root", symlinks=True)
        yield folder
    finally:
        shutil.rmtree(folder)


def _emulator(root: Path, device: str | None) -> list[str]:
    """The command line before a program's own."""
    show, cpu = ["-b", "/dev", "-b", "/proc", "-b", "/sys"], "cortex-a72"
    if device is not None:
        cluster = get_device(device).clusters[0]
        core, files = get_core(cluster.core), root.parent / "cpu"
        write_root(files, core, cluster, cluster.count, Path("/nowhere"))
        cpu = cpu_model(core)
        for shown in ("/proc/cpuinfo", "/sys/devices/system/cpu"):
            show += ["-b", f"{files}{shown}:{shown}"]
    return [str(shutil.which("proot")), "-q", f"{shutil.which('qemu-aarch64')} -cpu {cpu}", "-r", str(root), *show,
            "-w", "/"]


@contextmanager
def _machine(folder: Path, daemon: list[str], port: int, env: dict[str, str], device: str | None,
             disks: Mapping[str, int] | None) -> Iterator[Machine]:
    root, log = folder / "root", folder / "log"
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        plan = {"folder": str(folder), "root": str(root), "command": [*_emulator(root, device), *daemon], "port": port,
                "env": {**_PROOT, **env}, "listening": listening.fileno(),
                "disks": dict(disks or {})}
        said = stack.enter_context(log.open("w"))
        process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc", sys.executable, "-S",
             str(Path(__file__).with_name("daemon_loop.py")), json.dumps(plan)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True, start_new_session=True,
            pass_fds=[listening.fileno()])
        stack.callback(_stop, process)
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise NotPrepared(f"the daemon did not start: {log.read_text().strip()[-2000:]}")
        first = psutil.Process(process.pid).children()[0].pid
        # Its own mounts, small disks among them, are only seen through its first process.
        yield Machine(listening.getsockname()[1], Path(f"/proc/{first}/root{root}"), log, process, first)


def _stop(process: subprocess.Popen[str]) -> None:
    """The first process ends with its input, and all others with it."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.stdout.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


# Fixtures


@pytest.fixture(scope="session")
def arm64_root() -> Path:
    """A board's root: Debian's arm64 packages, unpacked."""
    return _prepared() / "board"


@pytest.fixture(scope="session")
def android_root() -> Path:
    """A phone's root: see the top of this file."""
    return _prepared() / "phone"


@pytest.fixture
def sshd(arm64_root: Path) -> Iterator[Callable[..., Sshd]]:
    """Starts a board: ``sshd(device=, disks=)``, see ``serve_ssh``. It ends with the test."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(serve_ssh(arm64_root, **settings))


@pytest.fixture
def adbd(android_root: Path) -> Iterator[Callable[..., Adbd]]:
    """Starts a phone: ``adbd(device=, disks=)``, see ``serve_adb``. It ends with the test."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(serve_adb(android_root, **settings))


def _prepared() -> Path:
    if missing := _missing():
        pytest.fail(f"missing for the daemons: {', '.join(missing)}. Next: {COMMAND}")
    if subprocess.run(["unshare", "--mount", "--pid", "--net", "--fork", "true"], check=False, timeout=60,
                      capture_output=True).returncode:
        pytest.skip("the daemons need namespaces of their own: root, outside of a container that forbids them")
    return roots()


if __name__ == "__main__":
    try:
        prepare()
    except NotPrepared as problem:
        sys.exit(f"the daemons of the tests cannot be prepared: {problem}")

"""The emulator, the guest's C library and compilers: found on the machine, else from Debian's or Ubuntu's packages.

As root they are installed by apt-get; without root they are fetched and unpacked into edgekit's cache.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.disk import disk_errors
from edgekit.errors import EnvironmentProblem

__all__ = ["Tools", "find_tools", "install", "unpack_foreign"]

# What is needed -> the package that has it.
_PROGRAMS = {"qemu-aarch64": "qemu-user", "gcc": "gcc", "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu",
             "aarch64-linux-gnu-g++": "g++-aarch64-linux-gnu"}
# The headers that a compiler needs, which its package only recommends.
_HEADERS = {"gcc": ("libc6-dev",)}
_GUEST = "usr/aarch64-linux-gnu/lib"
_LIBRARIES = {"ld-linux-aarch64.so.1": "libc6-arm64-cross", "libc.so.6": "libc6-arm64-cross",
              "libstdc++.so.6": "libstdc++6-arm64-cross", "libgcc_s.so.1": "libgcc-s1-arm64-cross",
              "crt1.o": "libc6-dev-arm64-cross"}
_SECONDS = 1200


@dataclass(frozen=True)
class Tools:
    """Programs by name, the guest's library folder, and the folder that packages were unpacked into, if they were."""

    programs: dict[str, Path]
    guest_lib: Path
    unpacked: Path | None

    def cross_flags(self) -> list[str]:
        """An unpacked cross compiler finds its C library's parts by absolute paths, here below its own root."""
        return [f"--sysroot={self.unpacked}"] if self._is_unpacked(self.guest_lib) else []

    def plugin_flags(self) -> list[str]:
        """An unpacked compiler has headers only: what the plugin needs of the C library, the emulator has loaded."""
        return [f"--sysroot={self.unpacked}", "-nostdlib"] if self._is_unpacked(self.programs["gcc"]) else []

    def env(self, program: str) -> dict[str, str]:
        """What the program needs to find its own libraries, where it was unpacked."""
        if not self._is_unpacked(self.programs[program]):
            return {}
        folders = [f"{self.unpacked}/usr/lib/{machine}" for machine in ("x86_64-linux-gnu", "aarch64-linux-gnu")]
        return {"LD_LIBRARY_PATH": os.pathsep.join(folders)}

    def _is_unpacked(self, path: Path) -> bool:
        return self.unpacked is not None and path.is_relative_to(self.unpacked)


def find_tools(unpacked: Path) -> tuple[Tools | None, list[str]]:
    """The tools, and the packages that are missing where there are not all. ``unpacked``: see :func:`install`."""
    missing: list[str] = []
    programs: dict[str, Path] = {}
    for name, package in _PROGRAMS.items():
        found = shutil.which(name) or shutil.which(name, path=str(unpacked / "usr/bin"))
        if found:
            programs[name] = Path(found)
        else:
            missing += [package, *_HEADERS.get(name, ())]
    guest = next((root / _GUEST for root in (Path("/"), unpacked)
                  if all((root / _GUEST / library).exists() for library in _LIBRARIES)), None)
    if guest is None:
        missing += _LIBRARIES.values()
    if missing or guest is None:
        return None, list(dict.fromkeys(missing))
    return Tools(programs, guest, unpacked if unpacked.is_dir() else None), []


def install(packages: Sequence[str], unpacked: Path, say: Callable[[str], None]) -> None:
    """Gets packages: by apt-get as root, else unpacked into ``unpacked``. Raises EnvironmentProblem."""
    _need_apt(packages)
    if os.geteuid() == 0:
        say(f"installing {', '.join(packages)}")
        _apt(["apt-get", "update", "-qq"], packages)
        _apt(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], packages)
    else:
        say(f"unpacking {', '.join(packages)} into {unpacked}")
        with disk_errors("the emulated device's tools", unpacked.parent):
            _unpack(packages, unpacked)


def unpack_foreign(packages: Sequence[str], architecture: str, folder: Path) -> None:
    """Unpacks another architecture's packages into ``folder``, without what they depend on; root or not.

    This system's own architectures, lists and packages stay as they are. Raises EnvironmentProblem.
    """
    _need_apt(packages)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".apt-") as temporary:
        own = [*_private(Path(temporary)), "-o", f"APT::Architecture={architecture}",
               "-o", f"APT::Architectures={architecture}"]
        _apt(["apt-get", *own, "update", "-qq"], packages)
        archives = Path(temporary) / "archives"
        _apt(["apt-get", *own, "download", "-qq", *packages], packages, cwd=archives)
        for archive in sorted(archives.glob("*.deb")):
            _apt(["dpkg-deb", "-x", str(archive), str(folder)], packages)


def _need_apt(packages: Sequence[str]) -> None:
    if not shutil.which("apt-get"):
        raise EnvironmentProblem("emulator-missing", f"missing for the emulated device: {', '.join(packages)}",
                                 cause="this system has no apt-get",
                                 next="install your distribution's packages of the same programs: "
                                      + ", ".join(_PROGRAMS))


def _private(state: Path) -> list[str]:
    """Options by which apt-get keeps lists and archives in ``state``."""
    for folder in ("lists/partial", "archives/partial"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    return ["-o", f"Dir::State::lists={state / 'lists'}", "-o", f"Dir::Cache={state}",
            "-o", f"Dir::Cache::archives={state / 'archives'}", "-o", "Debug::NoLocking=1",
            "-o", "APT::Sandbox::User="]


def _unpack(packages: Sequence[str], unpacked: Path) -> None:
    state = unpacked.parent / "apt"
    own = _private(state)
    _apt(["apt-get", *own, "update", "-qq"], packages)
    listed = _apt(["apt-get", *own, "install", "-y", "--no-install-recommends", "--print-uris", "-qq", *packages],
                  packages)
    # 'URI' file size hash
    names = [Path(line.split()[1]).name.split("_")[0] for line in listed.splitlines() if line.startswith("'")]
    archives = state / "archives"
    _apt(["apt-get", *own, "download", "-qq", *names], packages, cwd=archives)
    making = unpacked.with_suffix(".making")
    shutil.rmtree(making, ignore_errors=True)
    if unpacked.is_dir():
        shutil.copytree(unpacked, making, symlinks=True)
    for archive in sorted(archives.glob("*.deb")):
        _apt(["dpkg-deb", "-x", str(archive), str(making)], packages)
    shutil.rmtree(unpacked, ignore_errors=True)
    making.rename(unpacked)
    shutil.rmtree(archives)


def _apt(command: list[str], packages: Sequence[str], cwd: Path | None = None) -> str:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False, env=env, cwd=cwd)
        if done.returncode == 0:
            return done.stdout
        said = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
    except subprocess.TimeoutExpired:
        said = [f"no end after {_SECONDS} s"]
    raise EnvironmentProblem("emulator-missing", f"missing for the emulated device: {', '.join(packages)}",
                             cause=f"{command[0]}: {said[0]}",
                             next=f"sudo apt-get install --no-install-recommends {' '.join(packages)}")

"""What the emulated device stands on, in edgekit's cache: set up once, checked whenever it is used."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from edgekit.disk import cache_folder
from edgekit.errors import EnvironmentProblem
from edgekit.measure.emulated.build import build_plugin, build_runner, intact, plugin_file, runner_file
from edgekit.measure.emulated.debian import Tools, find_tools, install
from edgekit.measure.emulated.runtimes import RUNTIMES, Runtime
from edgekit.measure.emulated.wheels import fetch, fetched

__all__ = ["SET_UP", "Installation", "emulator", "installed", "set_up"]

SET_UP = "edgekit doctor --setup emulator"
_SECONDS = 60
# Those with version 1 of the plugin interface whose results the tests have seen, and those after them that have it.
_OLDEST_QEMU, _NEWEST_QEMU = (7, 2), (8, 2)
_WHICH_QEMU = ("install the package qemu-user of QEMU 7.2 to 8.2 (qemu-user-static and the backports of Debian are "
               "built without plugins)")


@dataclass(frozen=True)
class Installation:
    """One runtime in the emulator. ``library`` is where the runner loads it from; None where it is linked.

    ``qemu_env`` is what the emulator needs to find its own libraries.
    """

    runtime: Runtime
    qemu: Path
    qemu_version: str
    qemu_env: dict[str, str]
    plugin: Path
    runner: Path
    files: Path
    guest_lib: Path

    @property
    def library(self) -> Path | None:
        if self.runtime.library is None:
            return None
        return next(f for f in sorted(self.files.glob(f"{self.runtime.library}*")))


def set_up(names: Iterable[str], say: Callable[[str], None]) -> list[Installation]:
    """Finds, fetches and builds what the emulated device needs for the named runtimes; each step is done once.

    ``say`` takes a line of progress. Raises EnvironmentProblem with the one thing that is missing and its command.
    """
    tools, missing = find_tools(_unpacked())
    if tools is None:
        install(missing, _unpacked(), say)
        tools, missing = find_tools(_unpacked())
    if tools is None:
        raise _missing(missing)
    plugin = build_plugin(tools, _builds())
    check_plugins(tools.programs["qemu-aarch64"], plugin, tools.env("qemu-aarch64"))
    for runtime in (RUNTIMES[name] for name in names):
        files = _files(runtime)
        try:
            there = fetched(files)
        except EnvironmentProblem:
            there = False  # damaged: fetched anew
        if not there:
            say(f"fetching {runtime.project} {runtime.version} for aarch64")
            fetch(runtime.project, runtime.version, runtime.files, files)
        if not intact(runner_file(tools, _builds(), runtime)):
            say(f"building the runner for {runtime.name}")
        build_runner(tools, _builds(), runtime, files)
    return [installed(name) for name in names]


def emulator() -> tuple[Tools, Path]:
    """The tools and the counting plugin, without a runtime. Raises EnvironmentProblem where they are not there."""
    tools, missing = find_tools(_unpacked())
    if tools is None:
        raise _missing(missing)
    plugin = plugin_file(tools, _builds())
    if not intact(plugin):
        raise _missing(["the counting plugin"])
    return tools, plugin


def installed(name: str) -> Installation:
    """The installation for a format's runtime, its files checked by their hashes. Raises EnvironmentProblem."""
    runtime = RUNTIMES[name]
    tools, plugin = emulator()
    runner, files = runner_file(tools, _builds(), runtime), _files(runtime)
    if not intact(runner) or not fetched(files):
        raise _missing([f"{runtime.project} {runtime.version} for aarch64 with its runner"])
    qemu, env = tools.programs["qemu-aarch64"], tools.env("qemu-aarch64")
    return Installation(runtime, qemu, _version(qemu, env), env, plugin, runner, files, tools.guest_lib)


def check_plugins(qemu: Path, plugin: Path, env: dict[str, str]) -> None:
    """Raises EnvironmentProblem where this emulator cannot load the plugin."""
    with tempfile.TemporaryDirectory() as temporary:
        link = Path(temporary) / "count.so"  # a comma in the path would part the plugin's arguments
        link.symlink_to(plugin)
        # It has no program to run: what it says first is whether it takes the plugin.
        said = _qemu(qemu, env, "-plugin", f"{link},out={temporary}/out", "/nowhere").stderr.strip()
    if "plugin" in said.lower() or "Unknown option" in said:
        raise EnvironmentProblem("emulator-no-plugins", f"{qemu} cannot load plugins, so it cannot count",
                                 cause=said.splitlines()[0], next=_WHICH_QEMU)


def _missing(what: list[str]) -> EnvironmentProblem:
    return EnvironmentProblem("emulator-missing", f"the emulated device is not set up: {', '.join(what)}", next=SET_UP)


def _version(qemu: Path, env: dict[str, str]) -> str:
    """Raises EnvironmentProblem for a version whose plugin interface is another."""
    said = _qemu(qemu, env, "--version").stdout
    match = re.match(r"qemu-aarch64 version ((\d+)\.(\d+)\S*)", said)
    if match is None or not _OLDEST_QEMU <= (int(match[2]), int(match[3])) <= _NEWEST_QEMU:
        raise EnvironmentProblem("emulator-version", f"{qemu} is not of a version that the counting plugin works with",
                                 cause=f"it says: {said.partition(chr(10))[0] or 'nothing'}", next=_WHICH_QEMU)
    return match[1]


def _qemu(qemu: Path, env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run([str(qemu), *arguments], capture_output=True, text=True, timeout=_SECONDS, check=False,
                              env={**os.environ, "LC_ALL": "C", **env})
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentProblem("emulator-missing", f"{qemu} does not start", cause=str(error), next=SET_UP) from error


def _files(runtime: Runtime) -> Path:
    return cache_folder() / "emulator" / "runtimes" / f"{runtime.project}-{runtime.version}"


def _builds() -> Path:
    return cache_folder() / "emulator" / "builds"


def _unpacked() -> Path:
    return cache_folder() / "emulator" / "debian"

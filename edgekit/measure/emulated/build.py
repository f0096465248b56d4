"""Compiling the counting plugin and the guest runners from ``guest/``, kept by the hash of sources and compilers."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from edgekit.disk import disk_errors, sha256_of
from edgekit.errors import EnvironmentProblem
from edgekit.measure.emulated.debian import Tools
from edgekit.measure.emulated.runtimes import Runtime

__all__ = ["SOURCES", "build_plugin", "build_runner", "intact", "plugin_file", "runner_file"]

SOURCES = Path(__file__).parent / "guest"
_SECONDS = 600


def plugin_file(tools: Tools, builds: Path) -> Path:
    """Where the plugin is, or is to be, built."""
    return builds / f"count-{_key(tools.programs['gcc'], 'count.c')}.so"


def runner_file(tools: Tools, builds: Path, runtime: Runtime) -> Path:
    """Where the runtime's runner is, or is to be, built."""
    return builds / f"run-{runtime.name}-{_key(tools.programs[_compiler(runtime)], runtime.source, runtime.version)}"


def build_plugin(tools: Tools, builds: Path) -> Path:
    """Builds what is not there yet. Raises EnvironmentProblem with the compiler's words."""
    return _compile([str(tools.programs["gcc"]), *tools.plugin_flags(), "-O2", "-shared", "-fPIC",
                     str(SOURCES / "count.c")], plugin_file(tools, builds), tools.env("gcc"))


def build_runner(tools: Tools, builds: Path, runtime: Runtime, files: Path) -> Path:
    """Builds the runner of a runtime whose files lie in ``files``. Raises EnvironmentProblem."""
    command = [str(tools.programs[_compiler(runtime)]), *tools.cross_flags(), "-O2", str(SOURCES / runtime.source)]
    if runtime.links:
        include = files / "include"
        command += ["-std=c++20", "-w", f"-I{include}", "-DC10_USING_CUSTOM_GENERATED_MACROS",
                    f"-I{include}/executorch/runtime/core/portable_type/c10",
                    # kernels and backends register themselves when their library is loaded: nothing names them
                    f"-L{files}", "-Wl,--no-as-needed", *(f"-l{name}" for name in runtime.links)]
    return _compile(command, runner_file(tools, builds, runtime), tools.env(_compiler(runtime)))


def _compiler(runtime: Runtime) -> str:
    return "aarch64-linux-gnu-g++" if runtime.source.endswith(".cpp") else "aarch64-linux-gnu-gcc"


def _key(compiler: Path, source: str, version: str = "") -> str:
    text = hashlib.sha256(f"{compiler.resolve().name} {version}".encode())
    for file in sorted({SOURCES / source, *SOURCES.glob("*.h")}):
        text.update(file.read_bytes())
    return text.hexdigest()[:16]


def intact(made: Path) -> bool:
    """Whether a program was built and is what was built."""
    kept = _hash_file(made)
    return made.is_file() and kept.is_file() and kept.read_text(encoding="ascii") == sha256_of(made)


def _hash_file(made: Path) -> Path:
    return made.with_name(f"{made.name}.sha256")


def _compile(command: list[str], made: Path, env: dict[str, str]) -> Path:
    if intact(made):
        return made
    made.parent.mkdir(parents=True, exist_ok=True)
    with disk_errors("the emulated device's programs", made.parent), \
            tempfile.TemporaryDirectory(dir=made.parent, prefix=".build-") as temporary:
        out, built = Path(temporary) / made.name, False
        try:
            done = subprocess.run([*command, "-o", str(out)], capture_output=True, text=True, timeout=_SECONDS,
                                  check=False, env={**os.environ, "LC_ALL": "C", **env})
            said, built = done.stderr.strip().splitlines(), done.returncode == 0
        except (OSError, subprocess.TimeoutExpired) as error:
            said = [str(error)]
        if not built:
            errors = [line for line in said if "error" in line]
            raise EnvironmentProblem("emulator-build", f"{command[0]} could not build {made.name}",
                                     cause=(errors or said or ["it said nothing"])[0],
                                     next="report it with the compiler's version, "
                                          f"`{Path(command[0]).name} --version`")
        out.replace(made)
        _hash_file(made).write_text(sha256_of(made), encoding="ascii")
    return made

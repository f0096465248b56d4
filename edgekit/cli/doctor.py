"""``edgekit doctor``: what is installed, what is missing, and the command that adds it."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from itertools import repeat
from pathlib import Path
from typing import Any

import click

from edgekit.cli.output import emit_json, json_option, print_table, stderr

# What must import for an extra's formats to work: the converter is found by its metadata, the runtime is tried.
RUNTIMES = {
    "tflite": "ai_edge_litert.interpreter",
    "executorch": "executorch.runtime",
    "onnx": "onnxruntime",
}
# Less than this, and a conversion is likely to fail half way. From conversions of models of up to 10 M parameters.
_MIN_FREE_DISK = 2 * 10**9
_MIN_FREE_MEMORY = 2 * 10**9
_IMPORT_SECONDS = 120

_PIN = re.compile(r"""^([\w.-]+)(?:\[[\w,-]*\])?\s*(==|>=)?\s*([\w.+!]*)[^;]*(?:;.*extra\s*==\s*['"]([\w-]+)['"])?""")


@click.command(help="Check Python, torch, each format's packages, the emulated device, disk and memory.")
@click.option("--setup", type=click.Choice(["emulator"]), help="Set up the emulated device before the check.")
@json_option
def doctor(setup: str | None, as_json: bool) -> int:
    if setup:
        from edgekit.errors import EnvironmentProblem
        from edgekit.measure.emulated.installation import set_up
        from edgekit.measure.emulated.oldest import set_up_oldest

        def say(line: str) -> None:
            stderr().print(line, markup=False)

        set_up([name for name in RUNTIMES if _installed(name)], say)
        if _installed("tflite"):
            try:
                set_up_oldest(say)
            except EnvironmentProblem as problem:  # all else works without it
                say(f"{problem.message}: {problem.cause}\n  {problem.next}")
    packages = _packages()
    with ThreadPoolExecutor() as pool:  # each import is a process of its own
        states = pool.map(_format, RUNTIMES, RUNTIMES.values(), repeat(packages))
        formats = dict(zip(RUNTIMES, states, strict=True))
    emulator = _emulator()
    machine = _machine()
    broken = any(p["problem"] for p in packages if p["extra"] is None)
    usable = not broken and any(state["usable"] for state in formats.values())
    if as_json:
        emit_json("doctor", 1, {"usable": usable, "machine": machine, "formats": formats, "emulator": emulator,
                              "packages": packages})
    else:
        _print(machine, formats, emulator, packages)
    return 0 if usable else 5


def _packages() -> list[dict[str, Any]]:
    """Every package that edgekit itself or a format asks for: wanted and found version, and what is wrong."""
    found: list[dict[str, Any]] = []
    for requirement in metadata.requires("edgekit") or []:
        match = _PIN.match(requirement)
        if match is None or (match[4] is not None and match[4] not in (*RUNTIMES, "huggingface")):
            continue
        name, operator, wanted, extra = match.groups()
        version = _version(name)
        problem = None
        if version is None:
            problem = "missing"
        elif operator == "==" and version.partition("+")[0] != wanted:
            problem = f"version {version}, edgekit was built with {wanted}"
        found.append({"name": name, "wanted": f"{operator or ''}{wanted}", "found": version, "extra": extra,
                      "problem": problem, "add": f'pip install "{name}{operator or ""}{wanted}"' if problem else None})
    return found


def _format(name: str, module: str, packages: list[dict[str, Any]]) -> dict[str, Any]:
    """Whether a format can be used, why not, and what adds it."""
    wrong = [f"{p['name']}: {p['problem']}" for p in packages if p["extra"] == name and p["problem"]]
    missing = any(p["found"] is None for p in packages if p["extra"] == name)
    reason = None if missing else _import_error(module)
    if reason:
        wrong.append(f"{module} does not import: {reason}")
    return {"usable": not missing and reason is None, "problems": wrong,
            "add": f'pip install "edgekit[{name}]"' if wrong else None}


def _installed(name: str) -> bool:
    """Whether every package of a format's extra is there."""
    return all(p["found"] is not None for p in _packages() if p["extra"] == name)


def _emulator() -> dict[str, Any]:
    """Whether the emulated device is set up for each format, and what is missing."""
    from edgekit.errors import EdgekitError
    from edgekit.measure.emulated.installation import SET_UP, installed
    from edgekit.measure.emulated.oldest import OLDEST, installed_oldest
    state: dict[str, Any] = {}
    for name in RUNTIMES:
        try:
            found = installed(name)
            state[name] = {"usable": True, "problem": None, "add": None,
                           "runtime": f"{found.runtime.project} {found.runtime.version}", "qemu": found.qemu_version}
        except EdgekitError as error:
            state[name] = {"usable": False, "problem": error.message, "add": error.next or SET_UP}
    try:
        installed_oldest()
        state["oldest"] = {"usable": True, "problem": None, "add": None, "runtime": OLDEST, "qemu": None}
    except EdgekitError as error:
        state["oldest"] = {"usable": False, "problem": error.message, "add": error.next or SET_UP}
    return state


def _import_error(module: str) -> str | None:
    """Why ``module`` does not import, tried in a process of its own: a broken native library may crash it."""
    try:
        done = subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, text=True,
                              timeout=_IMPORT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"no end after {_IMPORT_SECONDS} s"
    if done.returncode == 0:
        return None
    return (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]


def _machine() -> dict[str, Any]:
    import psutil

    from edgekit.disk import cache_folder
    cache = cache_folder()
    there = next(p for p in (cache, *cache.parents) if p.exists())
    return {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}",
            "cores": psutil.cpu_count(), "memory_bytes": psutil.virtual_memory().total,
            "free_memory_bytes": psutil.virtual_memory().available, "cache": str(cache),
            "free_cache_disk_bytes": shutil.disk_usage(there).free,
            "free_work_disk_bytes": shutil.disk_usage(Path.cwd()).free}


def _print(machine: dict[str, Any], formats: dict[str, Any], emulator: dict[str, Any],
           packages: list[dict[str, Any]]) -> None:
    free = min(machine["free_cache_disk_bytes"], machine["free_work_disk_bytes"])
    rows = [("python", machine["python"], "ok"),
            ("machine", f"{machine['system']}, {machine['cores']} cores", "ok"),
            ("memory", f"{machine['free_memory_bytes'] / 1e9:.1f} of {machine['memory_bytes'] / 1e9:.1f} GB free",
             "ok" if machine["free_memory_bytes"] >= _MIN_FREE_MEMORY else "little: export one format at a time"),
            ("disk", f"{free / 1e9:.1f} GB free (cache: {machine['cache']})",
             "ok" if free >= _MIN_FREE_DISK else "little: `edgekit cache prune` frees what earlier runs kept")]
    rows += [(p["name"], f"{p['found'] or '-'} (wanted {p['wanted'] or 'any'})"
              + (f", for {p['extra']}" if p["extra"] else ""), p["problem"] or "ok") for p in packages]
    rows += [(f"emulated {name}", _emulated(state) if state["usable"] else "-",
              "ok" if state["usable"] else f"{state['problem']}: {state['add']}") for name, state in emulator.items()]
    print_table(("what", "found", "state"), rows)
    for package in packages:
        if package["add"] and package["extra"] not in formats:
            stderr().print(f"{package['name']}: {package['problem']}\n  add it: {package['add']}", markup=False)
    for name, state in formats.items():
        word = "ready" if state["usable"] else "cannot be used"
        stderr().print(f"{name}: {word}" + "".join(f"; {p}" for p in state["problems"]), markup=False)
        if state["add"]:
            stderr().print(f"  add it: {state['add']}", markup=False)


def _emulated(state: dict[str, Any]) -> str:
    return state["runtime"] + (f", QEMU {state['qemu'].split()[0]}" if state["qemu"] else "")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None

"""What decides how a module computes, as hashes by name: weights, settings, and the code that stands behind them.

Cheap beside capturing the module, so that a cached capture can be found without capturing. Two modules that compute
the same may differ here; two that differ must not be the same here.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import sys
import sysconfig
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

import edgekit
from edgekit.contracts import Workload
from edgekit.workload.describer import Describer, Opaque
from edgekit.workload.reached import functions_of, reached_names
from edgekit.workload.same import probes

__all__ = ["identity"]

# Ways to what no hash of ours covers.
_OUTSIDE = {"open", "environ", "getenv", "read_text", "read_bytes", "fromfile", "loadtxt", "genfromtxt", "memmap"}


def _library_folders() -> tuple[Path, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return (*(Path(sysconfig.get_path(n)).resolve() for n in names), Path(edgekit.__file__).resolve().parent)


def _own_modules() -> dict[str, types.ModuleType]:
    """Imported modules of the user's own: files that are neither a library's nor edgekit's."""
    libraries = _library_folders()
    is_own = functools.cache(lambda folder: not any(Path(folder).resolve().is_relative_to(lib) for lib in libraries))
    found = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not file or module.__name__ == "__main__" or not str(file).endswith(".py"):
            continue
        if is_own(os.path.dirname(file)) and os.path.isfile(file):
            found[name] = module
    return found


def _involved(workload: Workload, classes: set[type]) -> dict[str, types.ModuleType]:
    """The user's modules that the workload may use: beside it, of its classes, and what those name."""
    own = _own_modules()
    folder = workload.source.resolve().parent
    open_names = {name for name, m in own.items() if Path(str(m.__file__)).resolve().is_relative_to(folder)}
    open_names |= {base.__module__ for kind in classes for base in kind.__mro__} & set(own)
    found: dict[str, types.ModuleType] = {}
    while open_names:
        name = open_names.pop()
        found[name] = own[name]
        named = {v.__name__ if isinstance(v, types.ModuleType) else getattr(v, "__module__", None)
                 for v in list(vars(own[name]).values())}
        open_names |= {n for n in named if isinstance(n, str) and n in own} - set(found)
    return found


def _settings(module: types.ModuleType, reached: frozenset[str], describer: Describer) -> None:
    """Feeds a module's plain global values, which may come from the environment, and all that ``reached`` names.

    Raises Opaque for one of the latter that cannot be described.
    """
    for name, value in sorted(vars(module).items()):
        if name.startswith("__") or isinstance(value, types.ModuleType):
            continue
        plain = isinstance(value, bool | int | float | str | tuple | list | dict)
        if not plain and name not in reached:
            continue
        try:
            if isinstance(value, type):
                describer.classes.add(value)
            describer.add((name, value))
        except Opaque as error:
            if name in reached:
                raise Opaque(f"{error}, the global {name} of {module.__name__.rpartition('_')[2]}") from error


def _attributes(kind: type, describer: Describer) -> None:
    """Feeds what a class holds beside its methods."""
    for name, value in sorted(vars(kind).items()):
        if not name.startswith(("__", "_abc_")) and not isinstance(
                value, types.FunctionType | classmethod | staticmethod | property | functools.cached_property |
                types.MemberDescriptorType | types.GetSetDescriptorType):
            describer.add((name, value))


def _file_hash(file: str) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


def _own_state(own: Mapping[str, types.ModuleType], classes: set[type], functions: list[types.FunctionType]) -> str:
    """Hash of what the methods of ``classes`` and ``functions`` may read beside the module: globals, class attributes.

    Raises Opaque where it cannot be told.
    """
    describer, done = Describer(), set[type]()
    start = [f for kind in classes for base in kind.__mro__ if base.__module__ in own for f in functions_of(base)]
    reached = reached_names([*start, *(f for f in functions if f.__module__ in own)], own)
    if outside := sorted(reached & _OUTSIDE):
        raise Opaque(f"forward() that reads files or the environment ({', '.join(outside)})")
    for _, module in sorted(own.items()):
        _settings(module, reached, describer)
    pending = classes | describer.classes
    while pending:
        for kind in sorted(pending, key=lambda k: (k.__module__, k.__qualname__)):
            for base in kind.__mro__:
                if base.__module__ in own and base not in done:
                    done.add(base)
                    _attributes(base, describer)
        pending = {k for k in describer.classes if k.__module__ in own} - done
    return describer.digest.hexdigest()


def _code(own: Mapping[str, types.ModuleType], classes: set[type]) -> dict[str, str]:
    """Hashes of the files that define the user's modules and ``classes``, and versions of the libraries they use."""
    facts = {}
    for module in own.values():
        facts[f"file {_label(module)}"] = _file_hash(str(module.__file__))
    for name in sorted({base.__module__ for kind in classes for base in kind.__mro__} - set(own)):
        library = sys.modules.get(name.partition(".")[0])
        if version := getattr(library, "__version__", None):
            facts[f"version {library.__name__}"] = str(version)  # type: ignore[union-attr]
        file = getattr(sys.modules.get(name), "__file__", None)
        if file and str(file).endswith(".py") and not name.startswith(("torch.", "edgekit.")):
            facts[f"file {name}"] = _file_hash(file)
    return facts


def _label(module: types.ModuleType) -> str:
    return re.sub(r"^_edgekit_workload_[0-9a-f]+_", "workload ", module.__name__)


def identity(workload: Workload) -> dict[str, str] | None:
    """Hashes by name of what ``workload.module`` and its example inputs are.

    None where an object cannot be described, with a note in ``workload.warnings``.

    Covers weights, every attribute of every submodule, the files of the user's modules, their plain globals and all
    that code behind ``forward`` can name, the files of the classes involved, and the versions of their libraries.
    A ``forward`` that names ``open`` or the environment has no identity. What no name leads to (a table behind a cached
    function, a library's globals) shows in the outputs for the example and a neighbour of it, which count too.
    """
    describer = Describer()
    module: nn.Module = workload.module
    try:
        describer.add(module)
        classes = describer.classes | {type(m) for m in module.modules()}
        own = _involved(workload, classes)
        state = _own_state(own, classes, describer.functions)
    except (Opaque, RecursionError) as error:
        reason = f"it holds a {error}" if isinstance(error, Opaque) else "its objects are nested too deep"
        note = f"the captured model is not kept for later runs: what it does cannot be told from its parts ({reason})"
        workload.warnings += [note] if note not in workload.warnings else []
        return None
    example = Describer()
    example.add((workload.example, workload.input_names, workload.output_names, workload.dynamic_batch, workload.name))
    outputs = Describer()
    outputs.add(_behaviour(workload))
    return {"module": describer.digest.hexdigest(), "example": example.digest.hexdigest(), "state": state,
            "outputs": outputs.digest.hexdigest(), **_code(own, classes)}


def _behaviour(workload: Workload) -> list[Any]:
    """What the module puts out for a few inputs; nothing where it fails, which capturing meets again and tells."""
    try:
        with torch.no_grad():
            return [workload.module(*(t.clone() for t in inputs)) for inputs in probes(workload.example)]
    except Exception:  # noqa: BLE001 - see above
        return []

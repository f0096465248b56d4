"""What decides how a module computes, as hashes by name: weights, settings, and the code that stands behind them.

Cheap beside capturing the module, so that a cached capture can be found without capturing. Two modules that compute
the same may differ here; two that differ must not be the same here.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import os
import re
import sys
import sysconfig
import types
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import torch
from torch import nn

import edgekit
from edgekit.contracts import Workload
from edgekit.workload.hashing import add_tensor
from edgekit.workload.reached import functions_of, reached_names

__all__ = ["Opaque", "content_hash", "identity"]

_PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device, torch.layout,
          torch.memory_format, PurePath, types.BuiltinFunctionType, np.dtype, slice, range)
# Bookkeeping of nn.Module itself, described on its own or without a say in what is computed.
_SKIPPED = {"_is_full_backward_hook", "_backward_hooks", "_backward_pre_hooks", "_state_dict_hooks",
            "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks"}

# Ways to what no hash of ours covers.
_OUTSIDE = {"open", "environ", "getenv"}


def _is_plain(value: Any) -> bool:
    """Whether ``repr`` says all of it, the same in every process."""
    return isinstance(value, _PLAIN) and not isinstance(value, enum.Enum)


class Opaque(Exception):
    """An object whose state cannot be described (a handle, a native object)."""


class _Describer:
    """Feeds a digest with everything that an object's behaviour depends on; names objects seen before by number."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.classes: set[type] = set()
        self.functions: list[types.FunctionType] = []
        self._seen: dict[int, int] = {}
        self._kept: list[Any] = []  # numbers stay true only while the objects live

    def add(self, value: Any) -> None:
        if _is_plain(value):
            self._text(type(value).__name__, repr(value))
            return
        if id(value) in self._seen:
            self._text("seen", str(self._seen[id(value)]))
            return
        self._seen[id(value)] = len(self._seen)
        self._kept.append(value)
        self._text("object", f"{type(value).__module__}.{type(value).__qualname__}")
        self._inside(value)

    def _inside(self, value: object) -> None:
        if isinstance(value, torch.Tensor):
            add_tensor(self.digest, str(value.requires_grad), value)
        elif isinstance(value, np.ndarray | np.generic):
            self._text("array", f"{value.dtype}{np.shape(value)}")
            self.digest.update(np.ascontiguousarray(value).tobytes())
        elif isinstance(value, enum.Enum):
            self._text("member", value.name)
        elif isinstance(value, re.Pattern):
            self._each(value.pattern, value.flags)
        elif isinstance(value, type | types.ModuleType):
            self._text("name", f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', value.__name__)}")
        elif isinstance(value, types.FunctionType):
            self._function(value)
        elif isinstance(value, types.MethodType):
            self._each(value.__self__, value.__func__)
        elif isinstance(value, functools.partial):
            self._each(value.func, value.args, value.keywords)
        elif isinstance(value, types.CodeType):
            self._each(value.co_code, value.co_names, value.co_consts)
        elif isinstance(value, weakref.ReferenceType):
            self._each(value())
        elif isinstance(value, set | frozenset):
            self._each(*sorted(value, key=repr))
        elif isinstance(value, Mapping):
            self._each(*value.keys(), *value.values())
        elif isinstance(value, list | tuple):
            self._each(*value)
        else:
            self._object(value)

    def _function(self, value: types.FunctionType) -> None:
        self.functions.append(value)
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        self._text("function", f"{value.__module__}.{value.__qualname__}")
        self._each(value.__code__, value.__defaults__, value.__kwdefaults__, cells)

    def _object(self, value: Any) -> None:
        state = dict(getattr(value, "__dict__", {}))
        if isinstance(value, torch.fx.GraphModule):  # its graph as source; the nodes' notes do not compute
            state = {k: v for k, v in state.items() if k not in ("_graph", "meta", "_code")} | {"_source": value.code}
        for kind in type(value).__mro__:
            slots = vars(kind).get("__slots__", ())
            names = (slots,) if isinstance(slots, str) else slots
            state |= {name: getattr(value, name) for name in names if hasattr(value, name)}
        if not state and not hasattr(value, "__dict__") and type(value) is not object:
            raise Opaque(f"{type(value).__module__}.{type(value).__qualname__}")
        self.classes.add(type(value))
        for name in sorted(set(state) - _SKIPPED):
            self._text("attribute", name)
            self.add(state[name])

    def _each(self, *values: Any) -> None:
        self._text("items", str(len(values)))
        for value in values:
            self.add(value)

    def _text(self, kind: str, text: str) -> None:
        self.digest.update(f"{kind}\0{text}\0".encode(errors="surrogatepass"))


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


def _settings(module: types.ModuleType, reached: frozenset[str], describer: _Describer) -> None:
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


def _attributes(kind: type, describer: _Describer) -> None:
    """Feeds what a class holds beside its methods."""
    for name, value in sorted(vars(kind).items()):
        if not name.startswith(("__", "_abc_")) and not isinstance(
                value, types.FunctionType | classmethod | staticmethod | property | types.MemberDescriptorType |
                types.GetSetDescriptorType):
            describer.add((name, value))


def _file_hash(file: str) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


def _own_state(own: Mapping[str, types.ModuleType], classes: set[type], functions: list[types.FunctionType]) -> str:
    """Hash of what the methods of ``classes`` and ``functions`` may read beside the module: globals, class attributes.

    Raises Opaque where it cannot be told.
    """
    describer, done = _Describer(), set[type]()
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


def content_hash(values: Iterable[Any]) -> str:
    """Hash of data, one item at a time: tensors, arrays and containers of them. Raises Opaque for what is none."""
    digest = hashlib.sha256()
    for value in values:
        describer = _Describer()
        describer.add(value)
        digest.update(describer.digest.digest())
    return digest.hexdigest()


def identity(workload: Workload) -> dict[str, str] | None:
    """Hashes by name of what ``workload.module`` and its example inputs are.

    None where an object cannot be described, with a note in ``workload.warnings``.

    Covers weights, every attribute of every submodule, the files of the user's modules, their plain globals and all
    that code behind ``forward`` can name, the files of the classes involved, and the versions of their libraries.
    A ``forward`` that names ``open`` or the environment has no identity. Not covered: globals of libraries.
    """
    describer = _Describer()
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
    example = _Describer()
    example.add((workload.example, workload.input_names, workload.output_names, workload.dynamic_batch, workload.name))
    return {"module": describer.digest.hexdigest(), "example": example.digest.hexdigest(), "state": state,
            **_code(own, classes)}

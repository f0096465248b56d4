"""Hashing objects: everything that decides how one behaves, fed to one digest."""

from __future__ import annotations

import enum
import functools
import hashlib
import re
import types
import weakref
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
import torch

from edgekit.workload.hashing import add_tensor

__all__ = ["Describer", "Opaque", "content_hash"]

_PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device, torch.layout,
          torch.memory_format, PurePath, types.BuiltinFunctionType, np.dtype, slice, range)
# Bookkeeping of nn.Module itself, described on its own or without a say in what is computed.
_SKIPPED = {"_is_full_backward_hook", "_backward_hooks", "_backward_pre_hooks", "_state_dict_hooks",
            "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks"}


def _is_plain(value: Any) -> bool:
    """Whether ``repr`` says all of it, the same in every process."""
    return isinstance(value, _PLAIN) and not isinstance(value, enum.Enum)


class Opaque(Exception):
    """An object whose state cannot be described (a handle, a native object)."""


class Describer:
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


def content_hash(values: Iterable[Any]) -> str:
    """Hash of data, one item at a time: tensors, arrays and containers of them. Raises Opaque for what is none."""
    digest = hashlib.sha256()
    for value in values:
        describer = Describer()
        describer.add(value)
        digest.update(describer.digest.digest())
    return digest.hexdigest()

"""Which global names the code of a module's classes may read while it runs: found in bytecode, without running any."""

from __future__ import annotations

import functools
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["functions_of", "reached_names"]


def functions_of(kind: type) -> Iterator[types.FunctionType]:
    """Functions that a class defines itself, those behind properties and decorators of methods too.

    Not ``__init__``: what it leaves behind is in the object.
    """
    for name, value in vars(kind).items():
        if name == "__init__":
            continue
        if isinstance(value, classmethod | staticmethod):
            value = value.__func__
        if isinstance(value, functools.cached_property):
            value = value.func
        parts = (value.fget, value.fset) if isinstance(value, property) else (value,)
        yield from (part for part in parts if isinstance(part, types.FunctionType))


def reached_names(start: Iterable[types.FunctionType], modules: Mapping[str, types.ModuleType]) -> frozenset[str]:
    """Names in the code of ``start`` and of whatever of ``modules`` goes by such a name, and so on.

    Attributes count as names, so what is read as ``config.SCALE`` is among them.
    """
    names: set[str] = set()
    seen: set[int] = set()
    pending: list[Any] = list(start)
    while pending:
        item = pending.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, types.FunctionType):
            pending += [item.__code__, *(c.cell_contents for c in item.__closure__ or () if _is_set(c))]
        elif isinstance(item, type):
            pending += [f for base in item.__mro__ if base.__module__ in modules for f in functions_of(base)]
        elif isinstance(item, types.CodeType):
            pending += [c for c in item.co_consts if isinstance(c, types.CodeType)]
            new = set(item.co_names) - names
            names |= new
            pending += [v for m in modules.values() for n in new if callable(v := vars(m).get(n))]
    return frozenset(names)


def _is_set(cell: types.CellType) -> bool:
    """False for a name of an enclosing function that was never bound."""
    return cell != types.CellType()

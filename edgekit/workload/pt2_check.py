"""Looks into a ``.pt2`` before torch reads it: nothing in it may run code.

``torch.export.load`` unpickles some members without restriction (``weights_only=False``), evaluates the strings of
symbolic shapes with sympy, imports modules named in the specification of inputs and outputs, and loads native
libraries of AOTInductor packages. Each of these is read here first, and refused where it holds more than tensors.
"""

from __future__ import annotations

import io
import json
import pickle
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from edgekit.errors import WorkloadError
from edgekit.workload.origin import shown

__all__ = ["check_pt2"]

# Members that are code, or that torch turns into objects by unrestricted unpickling. Tested after the archive's name.
_NATIVE = re.compile(r"(^|/)data/aotinductor/|\.(so|dll|dylib|o|cubin|py|pyc)$")
_OBJECT = re.compile(r"(^|/)(custom_obj|opaque_obj)_")
# What a pickle, or a zip that torch.save wrote, starts with. Raw weights can look like it by chance, so members whose
# role is known to be raw (see _raw_members) are left out.
_PICKLED_SUFFIXES = (".pt", ".pth", ".pkl", ".bin")
# Symbolic expressions of shapes: names, numbers, arithmetic and calls such as Max(1, s0//2). No attribute access, no
# quotes, no brackets other than those of calls, no names with two underscores.
_EXPRESSION = re.compile(r"[\w\s+\-*/%(),<>=&|~!]*|[\w\s+\-*/%(),<>=&|~!]*(?:\d\.\d*[\w\s+\-*/%(),<>=&|~!]*)*")
# Keys of pytree specifications whose value torch imports.
_IMPORTING = ("default_factory_module", "__enum__")
_CALLED = re.compile(r"([A-Za-z_]\w*)\s*\(")
_FUNCTIONS = frozenset(re.findall(
    r"\w+", "Abs And CeilDiv CeilToInt CleanDiv Eq Equality FloatPow FloatTrueDiv FloorDiv FloorToInt Ge Gt Identity "
    "IntTrueDiv IsNonOverlappingAndDenseIndicator LShift Le Lt Max Min Mod ModularIndexing Mul Ne Not Or Piecewise Pow "
    "PowByNatural PythonMod RShift RoundDecimal RoundToInt ToFloat TruncToFloat TruncToInt Unequality Where ceiling "
    "floor sqrt"))


def _refuse(file: Path, member: str, cause: str) -> WorkloadError:
    return WorkloadError("workload-unsafe-pt2", f"{file.name} is not loaded: it could run code",
                         where=f"{shown(str(file))}:{member}", cause=cause,
                         next="export it again from its source with torch.export.save(), without custom objects, or "
                              "give the model as a Python file with --weights")


def _broken(file: Path, cause: str) -> WorkloadError:
    return WorkloadError("workload-broken-file", f"{file.name} is not a whole .pt2 archive", where=shown(str(file)),
                         cause=cause, next="save it again with torch.export.save(program, \"model.pt2\")")


def check_pt2(file: Path) -> None:
    """Raises WorkloadError where ``file`` is broken (``workload-broken-file``) or unsafe (``workload-unsafe-pt2``)."""
    try:
        with zipfile.ZipFile(file) as archive:
            damaged = archive.testzip()
            if damaged:
                raise _broken(file, f"member {damaged} has a wrong checksum")
            names = archive.namelist()
            if len(set(names)) != len(names):
                raise _refuse(file, next(n for n in names if names.count(n) > 1), "a member is there twice")
            for name in names:
                _check_name(file, name)
            raw = _raw_members(file, archive)
            for name in names:
                if name not in raw:
                    _check_member(file, name, archive.read(name))
    except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError) as error:
        raise _broken(file, str(error) or type(error).__name__) from error


def _check_name(file: Path, name: str) -> None:
    if _NATIVE.search(name):
        raise _refuse(file, name, "it holds compiled or Python code")
    if _OBJECT.search(name):
        raise _refuse(file, name, "it holds a custom object, which only full unpickling can read")


def _raw_members(file: Path, archive: zipfile.ZipFile) -> set[str]:
    """Weights and constants that torch reads as plain bytes, by the archive's own configuration."""
    raw: set[str] = set()
    pickled: set[str] = set()
    for name in archive.namelist():
        if not name.endswith(("weights_config.json", "constants_config.json")):
            continue
        folder = name.rpartition("/")[0]
        for fqn, entry in _json(file, name, archive.read(name)).get("config", {}).items():
            path = str(entry.get("path_name", ""))
            if re.search(r"(^|[/\\])\.\.?([/\\]|$)", path) or _OBJECT.search(path):
                raise _refuse(file, name, f"{fqn} is read from {path!r}")
            (pickled if entry.get("use_pickle", True) else raw).add(f"{folder}/{path}")
    return raw - pickled


def _json(file: Path, name: str, data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:
        raise _broken(file, f"member {name} is not JSON: {error}") from error


def _check_member(file: Path, name: str, data: bytes) -> None:
    looks_pickled = data[:1] == b"\x80" or data[:4] == b"PK\x03\x04" or name.endswith(_PICKLED_SUFFIXES)
    if name.endswith((".json", ".txt")) and not looks_pickled:
        if name.endswith(".json") and data:
            _check_document(file, name, _json(file, name, data))
        return
    if looks_pickled and data:
        _check_pickle(file, name, data)
    elif "/data/" in name and "/.data/" not in name and data:
        raise _refuse(file, name, "the archive's configuration does not say that it is plain bytes")


def _check_pickle(file: Path, name: str, data: bytes) -> None:
    try:
        torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        text = str(error)
        found = text.split("GLOBAL ", 1)[1].split()[0] if "GLOBAL " in text else None
        raise _refuse(file, name, f"it unpickles {found}, which is not a tensor" if found else
                      "it unpickles more than tensors") from error
    except (RuntimeError, EOFError, ValueError, KeyError, AttributeError, TypeError, IndexError) as error:
        # torch.export.load would try again without restriction: whatever cannot be read with it is refused.
        raise _refuse(file, name, f"it is not a plain torch.save file: {str(error).split(chr(10))[0]}") from error


def _walk(value: Any) -> Iterator[tuple[str, Any]]:
    """Every (key, value) of a document, at any depth."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield key, child
            yield from _walk(child)
    elif isinstance(value, list):
        for child in value:
            yield from _walk(child)


def _check_document(file: Path, name: str, document: Any) -> None:
    for key, value in _walk(document):
        if key in ("expr_str", "as_expr") and isinstance(value, str):
            _check_expression(file, name, value)
        elif key in ("in_spec", "out_spec") and isinstance(value, str) and value:
            _check_tree(file, name, value)
        elif key in _IMPORTING or (key == "fqn" and isinstance(value, str) and ":" in value):
            raise _refuse(file, name, f"its input specification imports {value}")


def _check_tree(file: Path, name: str, spec: str) -> None:
    """The specification of inputs and outputs: a JSON string, whose contexts may be JSON strings themselves."""
    document = _json(file, name, spec.encode())
    _check_document(file, name, document)
    for key, value in _walk(document):
        if key == "type" and value == "collections.defaultdict":
            raise _refuse(file, name, "its input specification imports the factory of a defaultdict")
        if key == "context" and isinstance(value, str) and value[:1] in "[{":
            _check_document(file, name, _json(file, name, value.encode()))


def _check_expression(file: Path, name: str, expression: str) -> None:
    strange = set(_CALLED.findall(expression)) - _FUNCTIONS
    if strange or "__" in expression or "lambda" in expression or not _EXPRESSION.fullmatch(expression):
        raise _refuse(file, name, f"the shape expression {expression[:80]!r} is not arithmetic")

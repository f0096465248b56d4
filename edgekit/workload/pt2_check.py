"""Looks into a ``.pt2`` before torch reads it: nothing in it may run code.

``torch.export.load`` unpickles some members without restriction (``weights_only=False``) and loads native libraries of
AOTInductor packages; its JSON documents can make it evaluate, import and call (:mod:`pt2_document`). Every member is
sorted here by its name: documents are checked, pickles have to load as weights only, raw weights and text pass, and
whatever is none of these is refused. torch then reads a copy made of the very bytes that were checked.
"""

from __future__ import annotations

import io
import json
import logging
import pickle
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from edgekit.errors import WorkloadError
from edgekit.workload.origin import shown
from edgekit.workload.pt2_document import Unsafe, check_document

__all__ = ["checked_pt2", "read_exported"]

# Members by what torch does with them. The first folder is the archive's own name, in the layout of torch >= 2.8.
_MODEL = re.compile(r"([^/]+/)?models/.+|serialized_exported_program\.json")
_CONFIG = re.compile(r"([^/]+/)?data/(weights|constants)/[^/]*_config\.json")
_TEXT = re.compile(r"([^/]+/)?(archive_format|archive_version|byteorder|version|\.data/[^/]+|extra/.*)|extra_files/.*")
_RAW = re.compile(r"([^/]+/)?data/(weights/weight|constants/tensor)_\d+")
_NATIVE = re.compile(r"(^|/)data/aotinductor/|\.(so|dll|dylib|o|cubin|py|pyc)$")
_OBJECT = re.compile(r"(^|/)(custom_obj|opaque_obj)_")


def _refuse(file: Path, member: str, cause: str) -> WorkloadError:
    return WorkloadError("workload-unsafe-pt2", f"{file.name} is not loaded: it could run code",
                         where=f"{shown(str(file))}:{member}", cause=cause,
                         next="export it again from its source with torch.export.save(), without custom objects, or "
                              "give the model as a Python file with --weights")


def _broken(file: Path, cause: str) -> WorkloadError:
    return WorkloadError("workload-broken-file", f"{file.name} is not a whole .pt2 archive", where=shown(str(file)),
                         cause=cause, next="save it again with torch.export.save(program, \"model.pt2\")")


def checked_pt2(file: Path) -> io.BytesIO:
    """The archive, rebuilt in memory from its checked members, for ``torch.export.load``.

    Raises WorkloadError where ``file`` is broken (``workload-broken-file``) or unsafe (``workload-unsafe-pt2``).
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, RuntimeError, ValueError) as error:
        raise _broken(file, str(error) or type(error).__name__) from error
    names = [name for name, _ in members]
    if len(set(names)) != len(names):
        raise _refuse(file, next(n for n in names if names.count(n) > 1), "a member is there twice")
    if not any(_MODEL.fullmatch(name) for name in names):
        raise _broken(file, "it holds no model")
    raw = _raw_members(file, dict(members))
    for name, data in members:
        _check_member(file, name, data, raw)
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    copy.seek(0)
    return copy


def read_exported(source: Path | io.BytesIO) -> torch.export.ExportedProgram:
    """``torch.export.load`` without its remarks on old layouts and on what it cannot read, which it raises as well."""
    log = logging.getLogger("torch.export")
    level = log.level
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            log.setLevel(logging.CRITICAL)
            return torch.export.load(source)
    finally:
        log.setLevel(level)


def _raw_members(file: Path, members: dict[str, bytes]) -> set[str]:
    """Weights and constants that torch reads as plain bytes, by the archive's own configuration."""
    raw: set[str] = set()
    pickled: set[str] = set()
    for name, data in members.items():
        if not _CONFIG.fullmatch(name):
            continue
        folder = name.rpartition("/")[0]
        entries = _json(file, name, data).get("config", {})
        for fqn, entry in entries.items():
            path = str(entry.get("path_name", ""))
            if not re.fullmatch(r"(weight|tensor)_\d+", path):
                raise _refuse(file, name, f"{fqn} is read from {path!r}, which is no tensor")
            (pickled if entry.get("use_pickle", True) else raw).add(f"{folder}/{path}")
    return raw - pickled


def _json(file: Path, name: str, data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:
        raise _broken(file, f"member {name} is not JSON: {error}") from error


def _check_member(file: Path, name: str, data: bytes, raw: set[str]) -> None:
    if _NATIVE.search(name):
        raise _refuse(file, name, "it holds compiled or Python code")
    if _OBJECT.search(name):
        raise _refuse(file, name, "it holds a custom object, which only full unpickling can read")
    if _MODEL.fullmatch(name) or _CONFIG.fullmatch(name):
        try:
            check_document(_json(file, name, data))
        except Unsafe as reason:
            raise _refuse(file, name, str(reason)) from reason
    elif not _TEXT.fullmatch(name) and not (name in raw and _RAW.fullmatch(name)) and data:
        _check_pickle(file, name, data)


def _check_pickle(file: Path, name: str, data: bytes) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        text = str(error)
        found = text.split("GLOBAL ", 1)[1].split()[0] if "GLOBAL " in text else None
        raise _refuse(file, name, f"it unpickles {found}, which is not a tensor" if found else
                      "it unpickles more than tensors") from error
    except Exception as error:
        # torch.export.load would try again without restriction: whatever this cannot read is refused.
        raise _refuse(file, name, f"it is not a plain torch.save file: {str(error).split(chr(10))[0]}") from error

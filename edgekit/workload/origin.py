"""Whose code a stack frame is: the user's, a library model's, or machinery that nobody wants to read about."""

from __future__ import annotations

import os
import re
import sysconfig
import traceback
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from types import FunctionType

import torch

__all__ = ["Line", "blame", "cause_of", "line_of", "lines_of_error", "parse_stack_trace", "shown"]

# (file, line number, function, the source line or "")
Line = tuple[str, int, str, str]

_FRAME = re.compile(r'File "([^"]+)", line (\d+), in (\S+)\n?\s*([^\n]*)')


@cache
def _roots() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Folders of machinery (Python itself, torch, edgekit) and of installed libraries."""
    paths = sysconfig.get_paths()
    stdlib = {os.path.realpath(paths[k]) for k in ("stdlib", "platstdlib")}
    installed = {os.path.realpath(paths[k]) for k in ("purelib", "platlib")}
    own = {str(Path(torch.__file__).resolve().parent), str(Path(__file__).resolve().parents[1])}
    return tuple(f"{p}{os.sep}" for p in stdlib | own), tuple(f"{p}{os.sep}" for p in installed)


@cache
def _rank(file: str) -> int:
    """2: the user's own file; 1: a library outside torch, such as transformers' models; 0: machinery."""
    if file.startswith("<"):
        return 0
    machinery, installed = _roots()
    real = os.path.realpath(file)
    if real.startswith(installed):  # before machinery: site-packages lies inside the standard library's folder
        return 0 if real.startswith(tuple(m for m in machinery if m.startswith(installed))) else 1
    return 0 if real.startswith(machinery) else 2


def blame(lines: Sequence[Line]) -> list[Line]:
    """The lines that are the user's own or, where there are none, those of libraries outside torch; outermost first."""
    best = max((_rank(line[0]) for line in lines), default=0)
    return [line for line in lines if _rank(line[0]) == best] if best else []


def parse_stack_trace(text: str | None) -> list[Line]:
    """Lines of an FX node's ``stack_trace``, outermost first."""
    return [(f, int(n), name, code.strip()) for f, n, name, code in _FRAME.findall(text or "")]


def lines_of_error(error: BaseException) -> list[Line]:
    """Lines of an exception's traceback, outermost first; a syntax error ends in the line that is wrong."""
    lines: list[Line] = [(f.filename, f.lineno or 0, f.name, (f.line or "").strip())
                         for f in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        lines.append((error.filename, error.lineno or 0, "<module>", (error.text or "").strip()))
    return lines


def shown(file: str) -> str:
    """``file`` as people read it: relative where it lies under the working directory."""
    try:
        relative = os.path.relpath(file)
    except ValueError:  # another drive
        return file
    return file if relative.startswith(os.pardir) else relative


def line_of(function: object) -> str | None:
    """``file:line`` of a Python function."""
    function = getattr(function, "__func__", function)
    if not isinstance(function, FunctionType):
        return None
    return f"{shown(function.__code__.co_filename)}:{function.__code__.co_firstlineno}"


def cause_of(error: BaseException, lines: Iterable[Line] = ()) -> str:
    """``Kind: message`` of an exception, then the user's lines, one a row, innermost last."""
    text = " ".join(str(error).split()) if len(str(error)) < 400 else str(error).strip().split("\n")[0][:400]
    head = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return "\n".join([head, *(f"  {shown(f)}:{n} in {name}: {code}" for f, n, name, code in lines)])

"""Formats by name: the three that ship here and those that other packages register as ``edgekit.formats``."""

from __future__ import annotations

import difflib
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from edgekit.errors import EnvironmentProblem, UsageError

if TYPE_CHECKING:
    from edgekit.contracts import Format

__all__ = ["BUILT_IN", "ENTRY_POINTS", "format_names", "get_format"]

ENTRY_POINTS = "edgekit.formats"

# name -> "module:Class"; imported only when asked for
BUILT_IN = {
    "tflite": "edgekit.formats.tflite.format:TfliteFormat",
    "executorch": "edgekit.formats.executorch.format:ExecutorchFormat",
    "onnx": "edgekit.formats.onnx.format:OnnxFormat",
}


@cache
def _table() -> dict[str, str]:
    """All formats as name -> "module:Class". Raises EnvironmentProblem where two packages claim one name."""
    table = dict(BUILT_IN)
    for point in entry_points(group=ENTRY_POINTS):
        if point.name in table:
            owner = point.dist.name if point.dist else point.value
            raise EnvironmentProblem(
                "plugin-duplicate", f"two formats are called {point.name!r}: {table[point.name]} and {point.value}",
                cause=f"the package {owner} registers a name in {ENTRY_POINTS!r} that is taken",
                next=f"uninstall {owner}, or have it choose another name")
        table[point.name] = point.value
    return table


def format_names() -> tuple[str, ...]:
    """Names of all formats, the built-in ones first."""
    return tuple(_table())


def get_format(name: str) -> Format:
    """The format called ``name``. Raises UsageError for an unknown one, naming the nearest."""
    target = _table().get(name)
    if target is None:
        near = difflib.get_close_matches(name, _table(), n=1)
        raise UsageError("format-unknown", f"unknown format {name!r}", cause=f"known are {', '.join(_table())}",
                         next=f"did you mean {near[0]!r}?" if near else "choose one of the known formats")
    module, _, attribute = target.partition(":")
    found: Format = getattr(import_module(module), attribute)()
    return found

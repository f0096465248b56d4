"""Things by name: those that ship here, and those that other packages register as entry points."""

from __future__ import annotations

from functools import cached_property
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from edgekit.errors import EnvironmentProblem, UsageError
from edgekit.yamlfile.nearest import nearest

__all__ = ["FORMATS", "TARGETS", "Plugins"]


class Plugins:
    """Classes by name, imported only when asked for.

    Args:
        group: the entry-point group that other packages register in.
        kind: what one is called in messages, e.g. ``format``.
        built_in: name -> "module:Class".
        unknown: code of the error for a name that nobody registered.
    """

    def __init__(self, group: str, kind: str, built_in: dict[str, str], unknown: str) -> None:
        self.group, self.kind, self.built_in, self._unknown = group, kind, built_in, unknown
        self._many = f"{kind}es" if kind.endswith("s") else f"{kind}s"

    @cached_property
    def _table(self) -> dict[str, str]:
        table = dict(self.built_in)
        for point in entry_points(group=self.group):
            if point.name in table:
                owner = point.dist.name if point.dist else point.value
                raise EnvironmentProblem(
                    "plugin-duplicate",
                    f"two {self._many} are called {point.name!r}: {table[point.name]} and {point.value}",
                    cause=f"the package {owner} registers a name in {self.group!r} that is taken",
                    next=f"uninstall {owner}, or have it choose another name")
            table[point.name] = point.value
        return table

    def names(self) -> tuple[str, ...]:
        """All names, the built-in ones first. Raises EnvironmentProblem where two packages claim one name."""
        return tuple(self._table)

    def get(self, name: str) -> Any:
        """A new object of the class called ``name``. Raises UsageError for an unknown one, naming the nearest."""
        target = self._table.get(name)
        if target is None:
            near = nearest(name, self._table)
            raise UsageError(self._unknown, f"unknown {self.kind} {name!r}",
                             cause=f"known are {', '.join(self._table)}",
                             next=f"did you mean {near!r}?" if near else f"choose one of the known {self._many}")
        module, _, attribute = target.partition(":")
        return getattr(import_module(module), attribute)()


# Here and not with the formats themselves, because recipes name them too.
FORMATS = Plugins("edgekit.formats", "format", {
    "tflite": "edgekit.formats.tflite.format:TfliteFormat",
    "executorch": "edgekit.formats.executorch.format:ExecutorchFormat",
    "onnx": "edgekit.formats.onnx.format:OnnxFormat",
}, unknown="format-unknown")

TARGETS = Plugins("edgekit.targets", "target", {
    "host": "edgekit.measure.host:HostTarget",
    "emulated": "edgekit.measure.emulated.target:EmulatedTarget",
    "ssh": "edgekit.measure.ssh:SshTarget",
    "adb": "edgekit.measure.adb:AdbTarget",
}, unknown="target-unknown")

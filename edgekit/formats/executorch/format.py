"""ExecuTorch as a target format."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.formats.build import describe, missing_extra, needs_extra, refuse_unsupported
from edgekit.formats.executorch.schemes import SUPPORT
from edgekit.types.artifact import Artifact
from edgekit.types.graph import OpGraph
from edgekit.types.scheme import SchemeSupport

if TYPE_CHECKING:
    from edgekit.contracts import Program, QuantPlan, Session

__all__ = ["ExecutorchFormat"]

_PACKAGES = ("executorch", "torch", "torchao", "flatbuffers")


class ExecutorchFormat:
    """``.pte`` through ``torch.export``, PT2E and XNNPACK. Options: ``backend``, "xnnpack" (default) or "portable"."""

    name = "executorch"
    suffix = ".pte"
    extra = "executorch"

    def supports(self) -> Mapping[str, SchemeSupport]:
        return SUPPORT

    def runtime(self) -> str:
        return f"executorch {_version('executorch')}"

    def tools(self) -> Mapping[str, str]:
        return {package: _version(package) for package in _PACKAGES}

    def warm_up(self) -> None:
        with needs_extra(self.name):
            import edgekit.formats.executorch.export  # noqa: F401

    def export(self, program: Program, plan: QuantPlan, out: Path, scratch: Path) -> Artifact:
        refuse_unsupported(SUPPORT.get(plan.scheme.name), self.name, plan.scheme.name)
        with needs_extra(self.name):
            from edgekit.formats.executorch.export import convert
            from edgekit.formats.executorch.facts import kept_float, notes
        converted = convert(program, plan, out)
        graph, description = self.graph(out), converted.lowered.description
        return describe(self.name, out, plan.scheme.name, description.backend, graph, description.inputs,
                        description.outputs, self.runtime(), kept_float(graph, plan, converted.without_kernel),
                        notes(graph, program, converted.lowered.quick, converted.corrected))

    def load(self, path: Path) -> Session:
        with needs_extra(self.name):
            from edgekit.formats.executorch.run import load
        return load(path)

    def graph(self, path: Path) -> OpGraph:
        with needs_extra(self.name):
            from edgekit.formats.executorch.graph import read_graph
        return read_graph(path)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        raise missing_extra("executorch", package) from None

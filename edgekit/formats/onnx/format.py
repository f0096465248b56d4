"""ONNX as a ``contracts.Format``."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.formats.build import missing_extra, needs_extra
from edgekit.formats.onnx.schemes import SUPPORT
from edgekit.types.artifact import Artifact
from edgekit.types.graph import OpGraph
from edgekit.types.scheme import SchemeSupport

if TYPE_CHECKING:
    from edgekit.contracts import Program, QuantPlan, Session

__all__ = ["OnnxFormat"]

_TOOLS = ("torch", "onnx", "onnxscript", "onnx-ir", "onnxruntime")


class OnnxFormat:
    """ONNX files by ``torch.onnx.export``, quantised for and run by ONNX Runtime's CPU kernels."""

    name = "onnx"
    suffix = ".onnx"
    extra = "onnx"

    def supports(self) -> Mapping[str, SchemeSupport]:
        return SUPPORT

    def runtime(self) -> str:
        return f"onnxruntime {_version('onnxruntime')}"

    def tools(self) -> Mapping[str, str]:
        return {name: _version(name) for name in _TOOLS}

    def warm_up(self) -> None:
        with needs_extra(self.name):
            import onnxscript  # noqa: F401

            import edgekit.formats.onnx.build  # noqa: F401

    def export(self, program: Program, plan: QuantPlan, out: Path, scratch: Path) -> Artifact:
        self.tools()  # all packages there, before any work
        from edgekit.formats.onnx.build import build

        return build(program, plan, out, scratch, self.runtime())

    def load(self, path: Path) -> Session:
        self.runtime()
        from edgekit.formats.onnx.run import OnnxSession

        return OnnxSession(path)

    def graph(self, path: Path) -> OpGraph:
        self.runtime()
        from edgekit.formats.onnx.graph import op_graph

        return op_graph(path)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError as error:
        raise missing_extra("onnx", package) from error

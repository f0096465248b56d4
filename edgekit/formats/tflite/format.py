"""TFLite as a ``contracts.Format``."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.formats.build import missing_extra, needs_extra
from edgekit.formats.tflite.schemes import SUPPORT
from edgekit.types.artifact import Artifact
from edgekit.types.graph import OpGraph
from edgekit.types.scheme import SchemeSupport

if TYPE_CHECKING:
    from edgekit.contracts import Program, QuantPlan, Session

__all__ = ["TfliteFormat"]

_TOOLS = ("torch", "litert-torch", "litert-converter", "ai-edge-litert", "ai-edge-quantizer")


class TfliteFormat:
    """LiteRT flatbuffers: float through litert-torch, quantised by ai-edge-quantizer, run on XNNPACK."""

    name = "tflite"
    suffix = ".tflite"
    extra = "tflite"

    def supports(self) -> Mapping[str, SchemeSupport]:
        return SUPPORT

    def runtime(self) -> str:
        return f"litert {_version('ai-edge-litert')}"

    def tools(self) -> Mapping[str, str]:
        return {name: _version(name) for name in _TOOLS}

    def warm_up(self) -> None:
        with needs_extra(self.name):
            import ai_edge_quantizer  # noqa: F401
            import litert_torch  # noqa: F401

    def export(self, program: Program, plan: QuantPlan, out: Path, scratch: Path) -> Artifact:
        from edgekit.formats.tflite.build import build

        return build(program, plan, out, scratch, self.runtime())

    def load(self, path: Path) -> Session:
        from edgekit.formats.tflite.run import TfliteSession

        return TfliteSession(path)

    def graph(self, path: Path) -> OpGraph:
        from edgekit.formats.tflite.graph import op_graph

        return op_graph(path)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError as error:
        raise missing_extra("tflite", package) from error

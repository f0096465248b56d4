"""The runtimes of the emulated device: which wheel holds each, which files of it the device needs, and its runner."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata

from edgekit.errors import EnvironmentProblem

__all__ = ["RUNTIMES", "Runtime"]


@dataclass(frozen=True)
class Runtime:
    """Where a format's runtime comes from.

    Attributes:
        project: the package whose aarch64 wheel holds it.
        pinned: its version; None for the one that is installed here, which exports and verifies.
        files: patterns of the wheel's files that the guest needs.
        library: the shared library that the runner loads; None where the runner is linked to it.
        source: the runner's source in ``guest/``.
        links: libraries to link, for a runner that is.
        profile: a file that its runner leaves in the job's folder when asked for operators, beside ``result.json``.
        traces: whether its runner can name each operator as it begins (``operators=2`` in ``guest/runner.h``).
        note: what a reader of the measurement must know.
    """

    name: str
    project: str
    pinned: str | None
    files: tuple[str, ...]
    library: str | None
    source: str
    links: tuple[str, ...] = ()
    profile: str | None = None
    traces: bool = False
    note: str | None = None

    @property
    def version(self) -> str:
        """Raises EnvironmentProblem where the format is not installed here."""
        if self.pinned:
            return self.pinned
        try:
            return metadata.version(self.project).partition("+")[0]
        except metadata.PackageNotFoundError:
            raise EnvironmentProblem("package-missing", f"{self.project} is not installed",
                                     cause="the emulated device runs the version that exports and verifies here",
                                     next=f'pip install "edgekit[{self.name}]"') from None


RUNTIMES = {runtime.name: runtime for runtime in (
    Runtime("tflite", "ai-edge-litert", None, ("ai_edge_litert/libLiteRt.so",), "libLiteRt.so", "run_litert.c"),
    Runtime("onnx", "onnxruntime", None, ("onnxruntime/capi/libonnxruntime.so*",), "libonnxruntime.so",
            "run_onnxruntime.c", profile="profile.json"),
    Runtime("executorch", "executorch", "1.5.1",
            ("executorch/lib/libexecutorch.so", "executorch/lib/libexecutorch_backend_xnnpack.so",
             "executorch/lib/libexecutorch_kernels_optimized.so", "executorch/lib/libexecutorch_kernels_quantized.so",
             "executorch/lib/libexecutorch_threadpool.so", "executorch/include/*"),
            None, "run_executorch.cpp",
            ("executorch_kernels_optimized", "executorch_kernels_quantized", "executorch_backend_xnnpack",
             "executorch_threadpool", "executorch"),
            traces=True,
            note="ExecuTorch 1.5.1 runs the program: the exporter's own wheel, 1.4.1, has no library to link"),
)}

"""The Android libraries that run edgekit's formats, as a table."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.errors import UsageError
from edgekit.types.app import FLAVORS, Flavor

__all__ = ["ABIS", "RUNTIMES", "AppRuntime", "check_abis", "check_dtypes"]

ABIS = ("arm64-v8a", "armeabi-v7a", "x86", "x86_64")  # Android's, as the NDK names them


@dataclass(frozen=True)
class AppRuntime:
    """One format's library.

    Attributes:
        flavor: the app's product flavor for it.
        library: ``group:name`` of the Android library.
        pin: its key under ``[versions]`` of the app's version catalog.
        tool: the Python package that ran the artifact, as the report's ``tools`` name it.
        same: leading parts of both versions that must agree.
        abis: for which it has native code.
        dtypes: of inputs and outputs that the app's adapter can pass through the library's own API.
        sources: where ``abis`` and ``dtypes`` are from.
    """

    flavor: Flavor
    library: str
    pin: str
    tool: str
    same: int
    abis: tuple[str, ...]
    dtypes: frozenset[str]
    sources: tuple[str, str]

    def agrees(self, pinned: str, needed: str) -> bool:
        return pinned.split(".")[:self.same] == needed.split(".")[:self.same]


# A .pte and its runtime are one release; .tflite and .onnx are read by all releases since, but were compared with one.
RUNTIMES: dict[str, AppRuntime] = {
    "tflite": AppRuntime(
        FLAVORS["tflite"], "com.google.ai.edge.litert:litert", "litert", "ai-edge-litert", 2,
        ("arm64-v8a", "x86_64"), frozenset({"float32", "int32", "int8", "bool", "int64"}),
        ("LiteRT issue 3926: 64-bit only", "LiteRT, TensorBuffer.kt")),
    "executorch": AppRuntime(
        FLAVORS["executorch"], "org.pytorch:executorch-android", "executorch", "executorch", 3,
        ("arm64-v8a", "x86_64"), frozenset({"float32", "float64", "int8", "uint8", "int32", "int64"}),
        ("ExecuTorch documentation, Using ExecuTorch on Android", "org.pytorch.executorch.Tensor")),
    "onnx": AppRuntime(
        FLAVORS["onnx"], "com.microsoft.onnxruntime:onnxruntime-android", "onnxruntime", "onnxruntime", 2,
        ABIS, frozenset({"float32", "float64", "float16", "int8", "uint8", "int16", "int32", "int64", "bool"}),
        ("the AAR's own jni/ folders", "ONNX Runtime, OnnxTensor.java")),
}


def check_abis(abis: tuple[str, ...], runtime: AppRuntime) -> None:
    """Raises UsageError ``bundle-abi`` where the library has no native code for one of them."""
    if lacking := [abi for abi in abis if abi not in runtime.abis]:
        raise UsageError("bundle-abi", f"{runtime.library} has no native code for {', '.join(lacking)}",
                         cause=f"it has {', '.join(runtime.abis)} ({runtime.sources[0]})",
                         next="leave that ABI away, or take another format with --format")


def check_dtypes(dtypes: set[str], runtime: AppRuntime, where: str) -> None:
    """Raises UsageError ``bundle-dtype`` where the app cannot give the model an input, or read an output."""
    if lacking := sorted(dtypes - runtime.dtypes):
        raise UsageError("bundle-dtype", f"the app cannot pass {', '.join(lacking)} through {runtime.library}",
                         where=where, cause=f"its API takes {', '.join(sorted(runtime.dtypes))} ({runtime.sources[1]})",
                         next="export with io: {dtype: float32}, or take another format with --format")

"""The size of an artifact: installed, downloaded, and where it comes from."""

from __future__ import annotations

import zlib
from pathlib import Path

from edgekit.types.estimate import Size
from edgekit.types.graph import OpGraph

__all__ = ["constant_bytes", "size_of"]

_LEVEL = 9
_CHUNK = 2**20


def size_of(artifact: Path, graph: OpGraph) -> Size:
    """Bytes of the file, installed and downloaded, with those of its constants by dtype and layer."""
    by_dtype, by_layer = constant_bytes(graph)
    installed = artifact.stat().st_size
    return Size(installed_bytes=installed, download_bytes=_compressed(artifact), compressor=f"deflate, level {_LEVEL}",
                by_dtype=by_dtype, by_layer=by_layer, structure_bytes=max(installed - sum(by_dtype.values()), 0))


def constant_bytes(graph: OpGraph) -> tuple[dict[str, int], dict[str, int]]:
    """By dtype, and by layer with the largest first; what several operators read counts once, for the first."""
    by_dtype: dict[str, int] = {}
    by_layer: dict[str, int] = {}
    seen: set[str] = set()
    for op in graph.ops:
        for constant in op.constants:
            if constant.name in seen:
                continue
            seen.add(constant.name)
            layer = op.source.module if op.source and op.source.module else f"({op.name})"
            by_dtype[constant.dtype] = by_dtype.get(constant.dtype, 0) + constant.bytes
            by_layer[layer] = by_layer.get(layer, 0) + constant.bytes
    return dict(sorted(by_dtype.items())), dict(sorted(by_layer.items(), key=lambda item: -item[1]))


def _compressed(file: Path) -> int:
    """Bytes that ``file`` has inside an APK or AAB, which are zip files."""
    compressor, total = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS), 0
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            total += len(compressor.compress(chunk))
    return total + len(compressor.flush())

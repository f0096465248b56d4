"""An OpGraph on the terminal: operators, sizes by dtype and layer, largest tensors, what is not delegated and why."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgekit.estimate.size import constant_bytes
from edgekit.report import prediction
from edgekit.types.graph import OpGraph
from edgekit.types.tensor import TensorSpec

__all__ = ["print_graph"]

LARGEST = 10


def _spec(spec: TensorSpec) -> str:
    quant = f" scale {spec.quant.scale[0]:.4g} zero {spec.quant.zero_point[0]}" if spec.quant else ""
    return f"{spec.name} {spec.dtype}{list(spec.shape)}{' ' + spec.layout if spec.layout else ''}{quant}"


def print_graph(graph: OpGraph, artifact: Path, console: Console) -> None:
    """Prints every operator in order of execution, then the summaries."""
    size = f" {graph.format}, {artifact.stat().st_size / 1e6:.3f} MB (10^6 bytes), {graph.macs / 1e6:.2f} M MACs"
    console.print(Text.assemble((str(artifact), "bold"), size))
    for title, specs in (("in", graph.inputs), ("out", graph.outputs)):
        for spec in specs:
            console.print(Text(f"  {title:>3}  {_spec(spec)}"))
    table = Table("#", "operator", "kind", "dtype", "M MACs", "weight bytes", "output bytes", "runs on", "module",
                  title="Operators")
    for op in graph.ops:
        table.add_row(*map(Text, (
            str(op.index), op.name, op.kind, op.dtype, f"{op.macs / 1e6:.3f}" if op.macs else "",
            str(op.weight_bytes) if op.weight_bytes else "", str(graph.output_bytes(op)), op.processor,
            op.source.module if op.source else "")))
    console.print(table)
    for dtype, count in graph.weight_bytes_by_dtype().items():
        console.print(Text(f"  constants {dtype}: {count} bytes"))
    constants = {c.name: (c, op) for op in graph.ops for c in op.constants}
    largest = sorted(constants.values(), key=lambda pair: -pair[0].bytes)[:LARGEST]
    table = Table("constant", "shape", "dtype", "bytes", "module", title="Largest constants")
    for constant, op in largest:
        table.add_row(*map(Text, (constant.name[-60:], str(list(constant.shape)), constant.dtype, str(constant.bytes),
                                  op.source.module if op.source else "")))
    console.print(table)
    layers = Table("bytes of constants", "layer", title="Size by layer")
    for layer, n in prediction.largest(constant_bytes(graph)[1], LARGEST):
        layers.add_row(f"{n:,}", Text(layer))
    console.print(layers)
    made = Table("activation", "shape", "dtype", "bytes", title="Largest activations")
    for spec in sorted(graph.activations(), key=lambda spec: -spec.bytes)[:LARGEST]:
        made.add_row(*map(Text, (spec.name[-60:], str(list(spec.shape)), spec.dtype, str(spec.bytes))))
    console.print(made)
    behind = [op for op in graph.ops if not op.delegated]
    for op in behind:
        console.print(Text(f"  not delegated: {op.name} at {op.source or op.outputs[:1]}: {op.reason}"))
    if not behind:
        console.print(Text("  every operator runs where it was asked to"))

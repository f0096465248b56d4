"""A verification on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgekit.types.verification import LayerError, Verification

__all__ = ["print_verification"]


def _db(value: float | None) -> str:
    return "equal" if value is None else f"{value:.1f} dB"


def print_verification(result: Verification, console: Console) -> None:
    """Prints the distances, the metric, the verdict, and the layers where they were asked for."""
    f = result.fidelity
    console.print(Text.assemble((result.artifact, "bold"), f" over {f.inputs} inputs ({f.input_source})"))
    console.print(Text(f"  SQNR {_db(f.sqnr_db)}   cosine {f.cosine:.6f}   max abs {f.max_abs:.4g}"))
    if f.top1_agreement is not None:
        console.print(Text(f"  top-1 agreement {100 * f.top1_agreement:.1f} %"))
    if f.metric_artifact is not None:
        between = "" if f.metric_compressed is None else f"compressed {f.metric_compressed:.4g}, "
        console.print(Text(f"  {f.metric_name}: float {f.metric_float:.4g}, {between}artifact "
                           f"{f.metric_artifact:.4g} {f.metric_unit}"))
    if result.reference_max_abs is not None:
        console.print(Text(f"  {result.reference} with reference kernels differs by at most "
                           f"{result.reference_max_abs:.4g}"))
    if result.layers is not None:
        _print_layers(result.layers, result.first_drop, result.layers_of, console)
    for warning in result.warnings:
        console.print(Text(f"  warning: {warning}", style="yellow"))
    if result.met is not None:
        verdict = ("met", "green") if result.met else ("missed", "red")
        console.print(Text.assemble(f"  floor {result.floor_db:g} dB: ", verdict))


def _print_layers(layers: tuple[LayerError, ...], drop: LayerError | None, owner: str | None,
                  console: Console) -> None:
    table = Table("#", "module", "kind", "SQNR", "line", title=Text(f"Layers of {owner}"))
    for layer in layers:
        at = f"{layer.source.file}:{layer.source.line}" if layer.source.file else ""
        style = "red" if drop is not None and layer.index == drop.index else None
        table.add_row(*map(Text, (str(layer.index), layer.source.module, layer.kind, _db(layer.sqnr_db), at)),
                      style=style)
    console.print(table)
    if drop is not None:
        console.print(Text(f"  the error starts at {drop.source} ({drop.kind}, {_db(drop.sqnr_db)})"))

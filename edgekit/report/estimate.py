"""An estimate on the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgekit.report import facts, prediction
from edgekit.types.budget import BudgetLine
from edgekit.types.estimate import DeviceEstimate, Estimate, Size
from edgekit.types.latency import Memory

__all__ = ["memory_line", "print_estimate"]

_MIB = 2**20
_LAYERS = 10
_OPERATORS = 8
_STYLES = {True: "green", False: "red", None: "yellow"}


def print_estimate(found: Estimate, console: Console) -> None:
    """Prints time and memory on each device with the recipe's verdict, then the size by dtype and layer."""
    console.print(Text(found.artifact, style="bold"))
    for device in found.devices:
        _print_device(device, console)
    _print_size(found.size, console)
    _print_budget(found.budget, console)


def _print_device(device: DeviceEstimate, console: Console) -> None:
    t = device.latency
    threads = f"{t.threads} thread{'s' * (t.threads > 1)}"
    console.print(Text.assemble("  ", (device.device, "bold"), f" ({device.core}, {threads})"))
    console.print(Text(f"    latency: {t.ms:.3g} ms [{t.kind}, tier {t.tier}], 90 % interval {t.low_ms:.3g} to "
                       f"{t.high_ms:.3g} ms"))
    console.print(Text(f"      {prediction.parts(device)}"))
    console.print(Text.assemble(
        f"    memory: {device.memory.peak_bytes / _MIB:.1f} MiB at the peak [{device.memory.kind}], an app gets "
        f"{device.fit.budget_bytes / _MIB:.0f}: ", ("fits", "green") if device.fit.fits else ("does not fit", "red")))
    console.print(Text(f"      {memory_line(device.memory_split or device.memory)}"))
    _print_budget(device.budget, console)
    console.print(_operators(device))
    console.print(Text(f"    costs {device.facts['costs']}", style="dim"))
    for line in prediction.guessed(device):
        console.print(Text(f"    {line}", style="yellow"))


def _operators(device: DeviceEstimate) -> Table:
    rows = prediction.operator_rows(device)
    table = Table(*prediction.OPERATOR_COLUMNS, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for row in rows[:_OPERATORS]:
        table.add_row(*map(Text, row))
    if len(rows) > _OPERATORS:
        table.add_row(Text(f"and {len(rows) - _OPERATORS} more: --json", style="dim"))
    return table


def _print_budget(lines: Iterable[BudgetLine], console: Console) -> None:
    for line in lines:
        verdict = facts.verdict(line)
        console.print(Text.assemble(f"    {line.name} {'-' if line.value is None else f'{line.value:.4g}'} of "
                                    f"{line.limit:g} {line.unit}: ", (verdict.text, _STYLES[verdict.good]),
                                    f" ({line.note})" if line.note else ""))


def memory_line(found: Memory) -> str:
    """A peak with its kind, its unit and, where they are known, its parts."""
    parts = facts.memory_parts(found, lambda n: f"{n / _MIB:.1f}")
    return f"peak {found.peak_bytes / _MIB:.1f} MiB [{found.kind}]{parts}"


def _print_size(size: Size, console: Console) -> None:
    console.print(Text(f"  size: {size.installed_bytes:,} bytes installed, {size.download_bytes:,} downloaded "
                       f"({size.compressor})"))
    console.print(Text(f"    constants: {prediction.dtypes(size.by_dtype)}; the rest of the file: "
                       f"{size.structure_bytes:,}"))
    for layer, n in prediction.largest(size.by_layer, _LAYERS):
        console.print(Text(f"    {n:>12,}  {layer}"))

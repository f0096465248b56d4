"""An estimate on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from edgekit.types.estimate import DeviceEstimate, Estimate, Size
from edgekit.types.latency import Memory

__all__ = ["memory_line", "print_estimate"]

_MIB = 2**20
_LAYERS = 10


def print_estimate(found: Estimate, console: Console) -> None:
    """Prints time and memory on each device, then the size by dtype and layer."""
    console.print(Text(found.artifact, style="bold"))
    for device in found.devices:
        _print_device(device, console)
    _print_size(found.size, console)


def _print_device(device: DeviceEstimate, console: Console) -> None:
    t, p = device.latency, device.parts
    threads = f"{t.threads} thread{'s' * (t.threads > 1)}"
    console.print(Text.assemble("  ", (device.device, "bold"), f" ({device.core}, {threads})"))
    console.print(Text(f"    latency: {t.ms:.3g} ms [{t.kind}], 90 % interval {t.low_ms:.3g} to {t.high_ms:.3g} ms"))
    console.print(Text(f"      bound by {p.bound_by}: compute {p.compute_ms:.3g} ms, memory {p.memory_ms:.3g} ms, "
                       f"overhead {p.overhead_ms:.3g} ms"))
    console.print(Text.assemble(
        f"    memory: {device.memory.peak_bytes / _MIB:.1f} MiB at the peak [{device.memory.kind}], an app gets "
        f"{device.fit.budget_bytes / _MIB:.0f}: ", ("fits", "green") if device.fit.fits else ("does not fit", "red")))
    if device.memory_split is not None:
        console.print(Text(f"      {memory_line(device.memory_split)}"))
    console.print(Text(f"    costs {device.facts['costs']}", style="dim"))


def memory_line(found: Memory) -> str:
    """A peak with its kind, its unit and, where they are known, its parts."""
    named = {"arena": found.arena_bytes, "weights": found.weight_bytes, "runtime": found.runtime_bytes}
    parts = ", ".join(f"{name} {n / _MIB:.1f}" for name, n in named.items() if n is not None)
    return f"peak {found.peak_bytes / _MIB:.1f} MiB [{found.kind}]{': ' if parts else ''}{parts}"


def _print_size(size: Size, console: Console) -> None:
    console.print(Text(f"  size: {size.installed_bytes:,} bytes installed, {size.download_bytes:,} downloaded "
                       f"({size.compressor})"))
    dtypes = ", ".join(f"{dtype} {n:,}" for dtype, n in size.by_dtype.items())
    console.print(Text(f"    constants: {dtypes or 'none'}; the rest of the file: {size.structure_bytes:,}"))
    for layer, n in list(size.by_layer.items())[:_LAYERS]:
        console.print(Text(f"    {n:>12,}  {layer}"))
    if len(size.by_layer) > _LAYERS:
        console.print(Text(f"    {sum(list(size.by_layer.values())[_LAYERS:]):>12,}  in {len(size.by_layer) - _LAYERS} "
                           "more layers"))

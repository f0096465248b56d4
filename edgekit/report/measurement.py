"""A measurement on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgekit.types.latency import Counts
from edgekit.types.measurement import Agreement, Fit, Measurement, OldestRuntime

__all__ = ["print_measurement"]

_MIB = 2**20


def print_measurement(found: Measurement, console: Console) -> None:
    """Prints agreement, time or counts, memory and the verdict on it, each with its kind."""
    where = f"{found.target} ({found.core}, {found.threads} thread{'s' * (found.threads > 1)})" if found.core else (
        f"{found.target}, {found.threads} thread{'s' * (found.threads > 1)}")
    console.print(Text.assemble((found.artifact, "bold"), f" on {where}"))
    console.print(Text(f"  runtime: {found.runtime}; inputs: {found.inputs}"))
    console.print(_agreement(found.agreement))
    if found.latency is not None:
        t = found.latency
        console.print(Text(f"  latency: {t.ms:.3g} ms, {t.low_ms:.3g} to {t.high_ms:.3g} (p10 to p90) [{t.kind}]"))
    if found.counts is not None:
        _print_counts(found.counts, console)
    if found.memory is not None:
        console.print(Text(f"  memory: {found.memory.peak_bytes / _MIB:.1f} MiB at the peak [{found.memory.kind}]"))
    if found.fit is not None:
        console.print(_fit(found.fit, found.device or found.target))
    if found.oldest_runtime is not None:
        console.print(_oldest(found.oldest_runtime))
    if found.operators:
        table = Table("operator", "ms [measured]", title=Text("Operators, one run"))
        for operator in found.operators:
            table.add_row(Text(operator.name), f"{operator.ms:.3f}")
        console.print(table)
    for name, text in found.facts.items():
        console.print(Text(f"  {name.replace('_', ' ')}: {text}", style="dim"))


def _agreement(agreement: Agreement) -> Text:
    if agreement.identical:
        return Text.assemble("  outputs: ", ("equal to this machine's, bit for bit", "green"))
    apart = f"{agreement.max_abs:.3g} from this machine's, tolerance {agreement.tolerance:.3g}"
    return Text.assemble("  outputs: ", (apart, "green" if agreement.agrees else "red"))


def _oldest(old: OldestRuntime) -> Text:
    if old.agreement is None:
        return Text.assemble(f"  {old.runtime}: ", (f"does not run it: {old.reason}", "yellow"))
    return Text.assemble(f"  {old.runtime}: runs it;", _agreement(old.agreement))


def _print_counts(counts: Counts, console: Console) -> None:
    classes = ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in
                        sorted(counts.by_class.items(), key=lambda item: -item[1]))
    lines = [n for n in (counts.l1_misses, counts.l2_misses, counts.l3_misses) if n is not None]
    levels = ", ".join(f"L{k} {n:,} ({streamed:,} in order)"
                       for k, (n, streamed) in enumerate(zip(lines, counts.streamed, strict=True), 1))
    console.print(Text(f"  instructions: {counts.instructions:,} in one warm inference [{counts.kind}]"))
    console.print(Text(f"    {classes}"))
    console.print(Text(f"  bytes: {counts.load_bytes:,} loaded, {counts.store_bytes:,} stored [{counts.kind}]"))
    console.print(Text(f"  cache misses: {levels} [{counts.kind}]"))


def _fit(fit: Fit, device: str) -> Text:
    text = f"  needs about {fit.needs_bytes / _MIB:.1f} MiB, {device} gives an app {fit.budget_bytes / _MIB:.0f} MiB: "
    return Text.assemble(text, ("fits", "green") if fit.fits else ("does not fit", "red"))

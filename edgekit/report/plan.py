"""The resolved plan of ``--dry-run`` on the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["print_plan"]


def print_plan(plan: dict[str, Any], console: Console) -> None:
    """Prints what an export would do."""
    scheme = plan["scheme"]
    head = f" by {plan['recipe_path']} for {plan['device'] or 'no device'} into {plan['out']}"
    console.print(Text.assemble((plan["workload"], "bold"), head))
    console.print(Text(f"  {scheme['name']}: {scheme['summary']}"))
    table = Table("format", "backend", "quantises the weights of", "note")
    for name, cell in plan["formats"].items():
        table.add_row(*map(Text, (name, cell["backend"] or "", ", ".join(cell["covers"]), cell["note"] or "")))
    console.print(table)
    console.print(Text("  stages: " + " > ".join(plan["stages"])))
    console.print(Text("  nothing was loaded or written"))

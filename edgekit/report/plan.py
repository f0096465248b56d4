"""The resolved plan of ``--dry-run`` on the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = ["print_plan"]


def print_plan(plan: dict[str, Any], console: Console) -> None:
    """Prints what an export would do."""
    scheme = plan["scheme"]
    console.print(f"[bold]{plan['workload']}[/bold] by {plan['recipe_path']} for {plan['device'] or 'no device'} "
                  f"into {plan['out']}", highlight=False)
    console.print(f"  {scheme['name']}: {scheme['summary']}", highlight=False)
    table = Table("format", "backend", "quantises the weights of", "note")
    for name, cell in plan["formats"].items():
        table.add_row(name, cell["backend"] or "", ", ".join(cell["covers"]), cell["note"] or "")
    console.print(table)
    console.print("  stages: " + " > ".join(plan["stages"]), highlight=False, markup=False)
    console.print("  nothing was loaded or written", highlight=False)

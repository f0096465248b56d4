"""Where output goes: results and JSON documents to standard output, everything else to standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["emit_json", "json_option", "print_table", "reserved_stdout", "stderr", "stdout"]

# Not a terminal: wide enough that no line is broken.
_PLAIN_WIDTH = 200

_documents: TextIO | None = None

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")


def stderr() -> Console:
    """The console for tables, progress, warnings and errors."""
    return _console(sys.stderr)


def stdout() -> Console:
    """The console for a verb's result, where it is not asked for as JSON."""
    return _console(sys.stdout)


def emit_json(name: str, version: int, document: Mapping[str, Any]) -> None:
    """Prints the document ``edgekit/<name>/<version>`` on standard output. Raises ValueError for NaN or infinity."""
    text = json.dumps({"schema": f"edgekit/{name}/{version}", **document}, indent=2, ensure_ascii=False,
                      allow_nan=False)
    stream = _documents or sys.stdout
    stream.write(text + "\n")
    stream.flush()


@contextmanager
def reserved_stdout(active: bool) -> Iterator[None]:
    """While ``active``, standard output belongs to :func:`emit_json`; what else is printed goes to standard error.

    That holds for native libraries and child processes too: file descriptor 1 itself is moved.
    """
    global _documents
    try:
        own = sys.stdout.fileno() == 1 if active else False
    except (OSError, ValueError):  # captured in memory: nothing native can reach it
        own = False
    if not own:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    _documents = os.fdopen(kept, "w", encoding="utf-8", closefd=False)
    try:
        yield
    finally:
        sys.stdout.flush()
        _documents.flush()
        os.dup2(kept, 1)
        os.close(kept)
        _documents = None


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on standard output: ruled in a terminal, aligned plain lines elsewhere."""
    console = stdout()
    if console.is_terminal:
        from rich.table import Table
        table = Table(header_style="bold", pad_edge=False)
        for column in columns:  # names stay whole; what describes them wraps
            table.add_column(column, no_wrap=column == columns[0])
        for row in rows:
            table.add_row(*row)
        console.print(table)
        return
    lines = [columns, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _console(stream: TextIO) -> Console:
    from rich.console import Console
    # What users named is printed as it is: brackets are no markup, :words: no pictures.
    console = Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=not stream.isatty())
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PLAIN_WIDTH
    return console

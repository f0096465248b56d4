"""Validates several files and reports all of them, each with all of its mistakes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from edgekit.cli.failures import show
from edgekit.cli.output import emit_json
from edgekit.errors import EdgekitError

__all__ = ["validate_all"]


def validate_all(kind: str, refs: Sequence[str], check: Callable[[str], str], *, as_json: bool) -> int:
    """Runs ``check``, which returns a file's path or raises EdgekitError, on each of ``refs``; returns the exit status.

    With ``as_json`` prints the document ``edgekit/<kind>-validation/1``: ``files`` with ``ref``, ``path``, ``valid``
    and ``error``.
    """
    files: list[dict[str, Any]] = []
    status = 0
    for ref in refs:
        try:
            path = check(ref)
        except EdgekitError as error:
            status = max(status, error.exit_status)
            files.append({"ref": ref, "path": None, "valid": False, "error": error.document()})
            show(error, error, as_json=False)
        else:
            files.append({"ref": ref, "path": path, "valid": True, "error": None})
            click.echo(f"{path}: valid", err=as_json)
    if as_json:
        emit_json(f"{kind}-validation", 1, {"files": files})
    return status

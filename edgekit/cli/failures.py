"""Every way a command can fail, as one kind of message and one exit status."""

from __future__ import annotations

import errno
import os
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from edgekit.cli.output import emit_json
from edgekit.errors import EdgekitError, EnvironmentProblem, UsageError

__all__ = ["EXIT_STATUSES", "InternalError", "Interrupted", "as_error", "show"]

# What a command ends with; of several, the highest-ranked of 5, 4, 3, 2, 1.
EXIT_STATUSES: dict[int, str] = {
    0: "done",
    1: "a budget or gate was missed; the artifacts are kept and marked",
    2: "wrong usage, recipe or workload",
    3: "conversion: a model could not be turned into what was asked",
    4: "device: unknown, or it cannot be used",
    5: "environment: something is missing or broken around edgekit, or edgekit itself has a fault (code `internal`)",
    130: "interrupted",
}

_FULL = (errno.ENOSPC, errno.EDQUOT)


class InternalError(EdgekitError):
    """A fault of edgekit itself."""

    exit_status = 5


class Interrupted(EdgekitError):
    """Ctrl-C."""

    exit_status = 130


def as_error(failure: BaseException) -> EdgekitError:
    """``failure`` in edgekit's own words."""
    match failure:
        case EdgekitError():
            return failure
        case click.Abort() | KeyboardInterrupt():
            return Interrupted("interrupted", "interrupted")
        case click.ClickException():
            context = getattr(failure, "ctx", None)
            command = context.command_path if context else "edgekit"
            return UsageError("usage", failure.format_message(), next=f"`{command} --help` prints what it takes")
        case MemoryError():
            return EnvironmentProblem("out-of-memory", "there is not enough memory", cause=str(failure) or None,
                                      next="close other programs, or use a machine with more memory")
        case OSError() if failure.errno in _FULL:
            return EnvironmentProblem("disk-full", "the disk is full", where=_file(failure), cause=failure.strerror,
                                      next="free some space: `edgekit cache prune` removes what earlier runs kept")
        case OSError() if failure.filename is not None:
            return EnvironmentProblem("file-access", f"cannot use {failure.filename}", where=_file(failure),
                                      cause=failure.strerror, next="check that the path is there and may be used")
        case ModuleNotFoundError() if failure.name and not failure.name.startswith("edgekit"):
            return EnvironmentProblem("package-missing", f"the package '{failure.name}' is missing",
                                      next="`edgekit doctor` says what to install")
    last = traceback.extract_tb(failure.__traceback__)[-1:]
    return InternalError("internal", f"edgekit itself failed: {type(failure).__name__}: {failure}",
                         where=", ".join(f"{Path(f.filename).name}:{f.lineno}" for f in last) or None,
                         next="run it again with EDGEKIT_TRACEBACK=1 and report what it prints")


def show(error: EdgekitError, failure: BaseException, *, as_json: bool) -> None:
    """The error on standard error; with ``as_json`` its document on standard output as well."""
    if isinstance(failure, click.exceptions.NoArgsIsHelpError):
        click.echo(failure.ctx.get_help() if failure.ctx else error.message, err=True)
        return
    if os.environ.get("EDGEKIT_TRACEBACK") == "1":
        traceback.print_exception(failure)
    for text, style in _lines(error):
        click.secho(text, err=True, **style)
    if as_json:
        emit_json("error", 1, {"error": error.document()})


def _lines(error: EdgekitError) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(error, Interrupted):
        yield "interrupted", {"fg": "yellow"}
        return
    yield f"error: {error.message}  [{error.code}]", {"fg": "red", "bold": True}
    if len(error.problems) > 1:
        for problem in error.problems:
            yield f"  {f'{problem.where}: ' if problem.where else ''}{problem.message}  [{problem.code}]", {}
            for note in (problem.cause, problem.next):
                if note:
                    yield _indented("      ", note), {"dim": True}
        return
    for name, text in (("where", error.where), ("cause", error.cause), ("next", error.next)):
        if text:
            yield _indented(f"  {name:<6} ", text), {}


def _indented(head: str, text: str) -> str:
    return head + text.replace("\n", "\n" + " " * len(head))


def _file(error: OSError) -> str | None:
    return os.fspath(error.filename) if isinstance(error.filename, (str, os.PathLike)) else None

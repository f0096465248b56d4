"""The one way into users' code: importing it and calling it, with tracebacks shortened to their own lines."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from edgekit.errors import EdgekitError, WorkloadError
from edgekit.workload.origin import blame, cause_of, line_of, lines_of_error, shown
from edgekit.workload.search_path import put_first
from edgekit.workload.there import WAYS
from edgekit.yamlfile.nearest import nearest

__all__ = ["call", "import_file", "import_name", "user_error"]


def user_error(error: BaseException, code: str, message: str, *, next: str,  # noqa: A002 - the document's own key
               fallback: str | None = None, note: str | None = None) -> WorkloadError:
    """A WorkloadError for what users' code raised: ``where`` is their innermost line, or ``fallback``."""
    lines = blame(lines_of_error(error))
    where = f"{shown(lines[-1][0])}:{lines[-1][1]}" if lines else fallback
    cause = cause_of(error, lines) + (f"\n{note}" if note else "")
    return WorkloadError(code, message, where=where, cause=cause, next=next)


def call(function: Callable[..., Any], *args: Any, what: str, note: str | None = None,
         code: str = "workload-call-failed", **kwargs: Any) -> Any:
    """Calls a user's function. ``what`` names it in the message, e.g. ``"load()"``.

    Raises WorkloadError with the user's line where it raises; edgekit's own errors pass as they are.
    """
    try:
        return function(*args, **kwargs)
    except EdgekitError:
        raise
    except (Exception, SystemExit) as error:
        raise user_error(error, code, f"{what} raised {type(error).__name__}", fallback=line_of(function), note=note,
                         next="correct the line above; it runs the same without edgekit") from error


def _import(load: Callable[[], ModuleType], name: str, folder: Path) -> ModuleType:
    put_first(folder)
    try:
        return load()
    except (Exception, SystemExit) as error:
        raise user_error(error, "workload-import-failed", f"{name} raised {type(error).__name__} on import",
                         fallback=name, next=_import_help(error)) from error


def _import_help(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"install what provides `{error.name.partition('.')[0]}`, or put it beside the workload"
    return "correct the line above; `python FILE` shows the same error"


def import_file(file: Path) -> ModuleType:
    """Imports a workload file under a name of its own. Raises WorkloadError where it raises."""
    file = file.resolve()
    name = f"_edgekit_workload_{hashlib.sha256(str(file).encode()).hexdigest()[:12]}_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise WorkloadError("workload-not-found", f"{file.name} is not a Python file", where=shown(str(file)),
                            next=WAYS)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and typing look their module up while it is being imported
    loader = spec.loader

    def load() -> ModuleType:
        loader.exec_module(module)
        return module

    try:
        return _import(load, shown(str(file)), file.parent)
    except WorkloadError:
        sys.modules.pop(name, None)
        raise


def _is_module(name: str) -> bool:
    """Whether there is such a module; its parent, where it has one, is imported already."""
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # the parent is a module, not a package
        return False


def _nearest_module(name: str) -> str | None:
    """What was meant where a module's parent is there: the module that it is, or the nearest that a package has."""
    parent, _, last = name.rpartition(".")
    if not parent:
        return None
    folders = getattr(sys.modules[parent], "__path__", None)
    if folders is None:
        return f"`{parent}` is a module, not a package: did you mean {parent}?"
    near = nearest(last, (m.name for m in pkgutil.iter_modules(folders)))
    return f"did you mean {parent}.{near}?" if near else None


def import_name(name: str) -> ModuleType:
    """Imports ``package.module``, also from the working directory. Raises WorkloadError where it is not there."""
    folder = Path(os.getcwd())
    put_first(folder)
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        prefix = ".".join(parts[:depth])
        if not _is_module(prefix):
            raise WorkloadError("workload-not-found", f"no file, folder or Python module is called {name}",
                                cause=f"`{prefix}` is neither a path nor importable from {folder.name}/ or sys.path",
                                next=_nearest_module(prefix) or WAYS)
        if depth < len(parts):
            _import(lambda prefix=prefix: importlib.import_module(prefix), prefix, folder)  # type: ignore[misc]
    return _import(lambda: importlib.import_module(name), name, folder)

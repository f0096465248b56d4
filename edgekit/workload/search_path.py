"""Users' folders on ``sys.path``: first where their own code is imported, last where installed packages are."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["put_first", "without_precedence"]

_folders: set[str] = set()


def put_first(folder: Path) -> None:
    """As when Python runs a script: modules beside the workload can be imported, also later from its functions."""
    _folders.add(str(folder))
    if sys.path[:1] != [str(folder)]:
        sys.path.insert(0, str(folder))


def without_precedence() -> list[str]:
    """``sys.path`` with users' folders last: to a converter, onnx.py beside a workload is not the package ``onnx``."""
    return sorted(dict.fromkeys(sys.path), key=lambda path: path in _folders)

"""edgekit: one recipe from a trained PyTorch model to verified TFLite, ExecuTorch and ONNX artifacts.

Public names load lazily: importing the package imports neither torch nor a converter.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_LAZY = {
    "EdgekitError": "edgekit.errors",
    "export": "edgekit.api",
    "inspect": "edgekit.api",
    "verify": "edgekit.api",
}

__all__ = ["EdgekitError", "__version__", "export", "inspect", "verify"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'edgekit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

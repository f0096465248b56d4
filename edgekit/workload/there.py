"""Whether a workload and its weights are there at all, told without loading anything or importing torch."""

from __future__ import annotations

import os
import re
import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path

from edgekit.errors import WorkloadError
from edgekit.yamlfile.nearest import nearest

__all__ = ["WAYS", "check_there"]

WAYS = "give a .py file, package.module, a .pt2 or a Hugging Face folder"
_MODULE_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def check_there(ref: str, weights: Path | None = None) -> None:
    """Raises WorkloadError ``workload-not-found`` where no file, folder or module is called ``ref``.

    Of ``package.module`` only ``package`` is looked for: finding the rest would import it.
    """
    path = Path(ref)
    if not path.exists():
        if path.suffix in (".py", ".pt2", ".pt", ".pth") or "/" in ref or not _MODULE_NAME.fullmatch(ref):
            raise WorkloadError("workload-not-found", f"there is no {ref}", where=ref, cause=_nearest(path), next=WAYS)
        top = ref.partition(".")[0]
        if top not in sys.modules and find_spec(top) is None and PathFinder.find_spec(top, [os.getcwd()]) is None:
            raise WorkloadError("workload-not-found", f"no file, folder or Python module is called {ref}",
                                cause=_nearest(Path(top)) or f"`{top}` is neither a path nor importable", next=WAYS)
    if weights is not None and not weights.is_file():
        raise WorkloadError("workload-not-found", f"there is no weight file {weights}", where=str(weights),
                            cause=_nearest(weights), next="check the path given to --weights")


def _nearest(path: Path) -> str | None:
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    files = list(path.parent.iterdir())
    names = {p.name for p in files} | {p.stem for p in files if p.suffix == ".py"}  # a module goes without its ending
    near = nearest(path.name, sorted(names))
    return f"did you mean {near}?" if near else None

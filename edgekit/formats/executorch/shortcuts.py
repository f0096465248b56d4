"""Work that lowering does for nothing, left out: a third of its time or more, with the same .pte byte for byte.

Each shortcut stands in for one attribute of the tools while lowering runs. They are known to be right for the versions
in :data:`KNOWN` only; with others lowering takes longer and says so.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from typing import Any

from edgekit.formats.executorch.retrace import only_where_changed

__all__ = ["KNOWN", "shortcuts"]

KNOWN = {"torch": "2.13.", "executorch": "1.4."}
_GRAPHS = "executorch.backends.xnnpack.partition.graphs"


def _itself(record: Any, _memo: Any) -> Any:
    return record


# (module, class or None, attribute, stand-in made from the attribute)
_SHORTCUTS: tuple[tuple[str, str | None, str, Callable[[Any], Any]], ...] = (
    # Every pass deep-copies each node's chain of provenance records, which grows with each pass. Records do not change
    # once made, so passes can share them.
    ("torch.fx.traceback", "NodeSource", "__deepcopy__", lambda _: _itself),
    # XNNPACK exports four bilinear resizes and two attentions to look for them in decomposed form. Neither occurs:
    # the partitioner keeps resizes whole, and edgekit's rewrites spell attention out as products and a softmax.
    (f"{_GRAPHS}.bilinear_2d", None, "get_graphs_dict", lambda _: dict),
    (f"{_GRAPHS}.sdpa", None, "get_graphs", lambda _: list),
    # Some forty passes end by tracing the whole graph, most of them without having changed it.
    ("executorch.exir.pass_base", "_ExportPassBase", "call", only_where_changed),
)


@contextmanager
def shortcuts() -> Iterator[bool]:
    """Takes the shortcuts while the block runs. Yields whether the tools' versions allow them."""
    known = all(version(package).startswith(prefix) for package, prefix in KNOWN.items())
    with ExitStack() as stack:
        for module, owner, attribute, make in _SHORTCUTS if known else ():
            holder: Any = importlib.import_module(module)
            stack.enter_context(_replaced(getattr(holder, owner) if owner else holder, attribute, make))
        yield known


@contextmanager
def _replaced(holder: Any, attribute: str, make: Callable[[Any], Any]) -> Iterator[None]:
    missing = object()
    before = vars(holder).get(attribute, missing)
    setattr(holder, attribute, make(before))
    try:
        yield
    finally:
        if before is missing:
            delattr(holder, attribute)
        else:
            setattr(holder, attribute, before)

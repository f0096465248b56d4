"""``dynamic_shapes()``: the batch dimension may vary, all other dimensions are fixed at export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgekit.errors import WorkloadError

__all__ = ["dynamic_batch"]


def _is_static(dim: Any) -> bool:
    return dim is None or isinstance(dim, int) or "STATIC" in str(dim)


def _dims(entry: Any, name: str, where: str | None) -> dict[int, Any]:
    if entry is None:
        return {}
    if isinstance(entry, Mapping):
        return {int(k): v for k, v in entry.items()}
    if isinstance(entry, tuple | list):
        return dict(enumerate(entry))
    raise WorkloadError("workload-dynamic-shape", f"dynamic_shapes() gives a {type(entry).__name__} for {name}",
                        where=where, cause="each input takes None, a dict of dimensions or a tuple of them",
                        next=f'return {{"{name}": {{0: torch.export.Dim("batch")}}}}')


def dynamic_batch(shapes: Any, names: Sequence[str], where: str | None) -> bool:
    """Whether ``shapes``, in ``torch.export``'s own form, makes dimension 0 of every input vary.

    Raises WorkloadError (``workload-dynamic-shape``) for other dynamic dimensions, and where only some inputs vary.
    """
    if shapes is None:
        return False
    if isinstance(shapes, Mapping):
        unknown = sorted(set(map(str, shapes)) - set(names))
        if unknown:
            raise WorkloadError("workload-dynamic-shape", f"dynamic_shapes() names unknown inputs: {unknown}",
                                where=where, cause=f"the model's inputs are {list(names)}",
                                next="use the inputs' own names as keys")
        entries = [shapes.get(n) for n in names]
    else:
        entries = list(shapes) if isinstance(shapes, tuple | list) else [shapes]
    if len(entries) != len(names):
        raise WorkloadError("workload-dynamic-shape", f"dynamic_shapes() has {len(entries)} entries for "
                            f"{len(names)} inputs", where=where, next="give one entry an input, None for a fixed one")
    moving = []
    for name, entry in zip(names, entries, strict=True):
        dims = [d for d, size in _dims(entry, name, where).items() if not _is_static(size)]
        if any(d != 0 for d in dims):
            raise WorkloadError(
                "workload-dynamic-shape", f"dimension {max(dims)} of {name} is dynamic", where=where,
                cause="only the batch (dimension 0) may vary: devices plan memory and delegates for fixed sizes",
                next="export once for each size that is needed, or pad inputs to one size")
        moving.append(bool(dims))
    if any(moving) and not all(moving):
        fixed = [n for n, m in zip(names, moving, strict=True) if not m]
        raise WorkloadError("workload-dynamic-shape", "dimension 0 varies for some inputs only", where=where,
                            cause=f"fixed: {', '.join(fixed)}", next="make dimension 0 of every input the batch")
    return any(moving)

"""From users' own input and output structures to flat tuples of named tensors, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from edgekit.contracts import Inputs
from edgekit.errors import WorkloadError

__all__ = ["as_inputs", "describe", "flatten_outputs", "output_names", "rebuild"]


def describe(inputs: Mapping[str, torch.Tensor] | Sequence[torch.Tensor]) -> str:
    """``image: float32[1,3,32,32], ids: int64[1,16]`` for messages."""
    items = inputs.items() if isinstance(inputs, Mapping) else ((f"input {i}", t) for i, t in enumerate(inputs))
    return ", ".join(f"{name}: {str(t.dtype).removeprefix('torch.')}[{','.join(map(str, t.shape))}]"
                     for name, t in items)


def _tensor(value: Any, name: str, what: str, where: str | None) -> torch.Tensor:
    if isinstance(value, np.ndarray):
        value = torch.from_numpy(np.ascontiguousarray(value))
    if not isinstance(value, torch.Tensor):
        raise WorkloadError("workload-bad-inputs", f"{what} gives a {type(value).__name__} for {name}", where=where,
                            cause="a model's inputs are tensors; other arguments of forward() are fixed at export",
                            next="return tensors only, and fix the other arguments in load()")
    return value.detach().cpu().contiguous()


def as_inputs(value: Any, names: Sequence[str], *, what: str, where: str | None = None) -> Inputs:
    """A tensor, a sequence or a mapping of tensors as the tuple in the order of ``names``.

    Raises WorkloadError (``workload-bad-inputs``) for anything else, and for keys that are not ``names``.
    """
    if isinstance(value, Mapping):
        if set(value) != set(names):
            raise WorkloadError("workload-bad-inputs", f"{what} has keys {sorted(map(str, value))}", where=where,
                                cause=f"the model's inputs are {list(names)}", next="use the keys of example_inputs()")
        return tuple(_tensor(value[n], n, what, where) for n in names)
    values = value if isinstance(value, tuple | list) else (value,)
    if len(values) != len(names):
        raise WorkloadError("workload-bad-inputs", f"{what} has {len(values)} inputs, the model takes {len(names)}",
                            where=where, cause=f"the model's inputs are {list(names)}",
                            next="return one tensor for each input of forward()")
    return tuple(_tensor(v, n, what, where) for v, n in zip(values, names, strict=True))


def _children(value: Any) -> list[tuple[str, Any]] | None:
    """Named parts of a container; None for a leaf. A ModelOutput of transformers is a mapping."""
    if isinstance(value, Mapping):
        return [(str(k), v) for k, v in value.items()]
    if isinstance(value, tuple | list):
        fields = getattr(value, "_fields", None)
        return [(fields[i] if fields else str(i), v) for i, v in enumerate(value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(f.name, getattr(value, f.name)) for f in dataclasses.fields(value)]
    return None


def flatten_outputs(value: Any, path: str = "") -> list[tuple[str, torch.Tensor]]:
    """All tensors of a model's output with their paths (``hidden_1``); None is left out.

    Raises WorkloadError (``workload-bad-output``) for anything that is no tensor.
    """
    if value is None:
        return []
    if isinstance(value, torch.Tensor):
        return [(path, value)]
    children = _children(value)
    if children is None:
        raise WorkloadError("workload-bad-output", f"forward() returns a {type(value).__name__}"
                            + (f" as `{path}`" if path else ""),
                            cause="an exported model can return tensors only: alone, or in tuples, lists and dicts",
                            next="return tensors from forward(), or wrap the model in load() so that it does")
    return [leaf for name, child in children for leaf in flatten_outputs(child, f"{path}_{name}" if path else name)]


def output_names(paths: Sequence[str], inputs: Sequence[str]) -> tuple[str, ...]:
    """Names for output paths: ``output`` for one without a name, ``output_0`` for positions, keys as they are.

    A name that an input or another output has ends in ``_out``, ``_out2`` ...: artifacts hold each name once.
    """
    single = len(paths) == 1 and (not paths[0] or paths[0].isdigit())
    wanted = ["output"] if single else [f"output_{p}" if p[:1].isdigit() else p or "output" for p in paths]
    taken, names = set(inputs), []
    for name in wanted:
        endings = ("", "_out", *(f"_out{i}" for i in range(2, len(paths) + len(inputs) + 2)))
        names.append(next(name + e for e in endings if name + e not in taken and (not e or name + e not in wanted)))
        taken.add(names[-1])
    return tuple(names)


def rebuild(template: Any, leaves: Iterator[torch.Tensor]) -> Any:
    """The structure of ``template`` with ``leaves`` in the order of :func:`flatten_outputs`."""
    if template is None:
        return None
    children = _children(template)
    if children is None:
        return next(leaves)
    values = {name: rebuild(child, leaves) for name, child in children}
    kind = type(template)
    if isinstance(template, tuple | list):
        return kind(*values.values()) if hasattr(template, "_fields") else kind(values.values())
    if dataclasses.is_dataclass(template):
        return kind(**values)
    return dict(zip(template, values.values(), strict=True))

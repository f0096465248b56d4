"""Re-parameterisable nets: their modules' own methods that turn training-time branches into what is deployed."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable

import torch
from torch import nn

from edgekit.contracts import Inputs
from edgekit.workload.same import EQUAL_DB, least_sqnr_db, probes

__all__ = ["reparameterize"]

# The names under which published nets offer it (RepVGG, MobileOne, FastViT, YOLO, EfficientRep, LeViT, ...).
_METHODS = ("switch_to_deploy", "reparameterize", "reparameterize_model", "convert_to_deploy", "fuse_reparam",
            "fuse_conv_bn", "fuse_bn", "fuse_repvgg_block", "fuse")


def _method(module: nn.Module) -> str | None:
    """Name of the method of ``module`` that needs no argument, if it has one."""
    for name in _METHODS:
        method = getattr(type(module), name, None)
        if callable(method):
            parameters = list(inspect.signature(method).parameters.values())[1:]
            if all(p.default is not p.empty or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
                return name
    return None


def _having(module: nn.Module) -> list[str]:
    return [path for path, child in module.named_modules() if _method(child)]


def _outermost(paths: list[str]) -> list[str]:
    return [p for p in paths if not any(o != p and (not o or p.startswith(f"{o}.")) for o in paths)]


def _innermost_first(paths: list[str]) -> list[str]:
    return sorted(paths, key=lambda p: (-p.count(".") if p else 1, p))


# A model's own fuse() usually reaches its blocks; where it does not, each block is asked.
_ORDERS: tuple[Callable[[list[str]], list[str]], ...] = (_outermost, _innermost_first)


def _call(module: nn.Module, paths: list[str]) -> nn.Module:
    for path in paths:
        try:
            child = module.get_submodule(path)
        except AttributeError:
            continue  # a call before this one replaced it
        name = _method(child)
        result = getattr(child, name)() if name else None
        if isinstance(result, nn.Module) and result is not child:
            if not path:
                module = result
            else:
                parent, _, leaf = path.rpartition(".")
                setattr(module.get_submodule(parent), leaf, result)
    return module.eval()


def _size(module: nn.Module) -> tuple[int, int]:
    """What re-parameterising makes less: tensors and modules."""
    return len(module.state_dict()), sum(1 for _ in module.modules())


def reparameterize(module: nn.Module, example: Inputs, warnings: list[str]) -> nn.Module:
    """``module`` after its own ``fuse``-like methods, where outputs stay equal (>= 100 dB); else as it was.

    Works on copies. Adds a warning where the methods exist but fail or change the outputs.
    """
    paths = _having(module)
    if not paths:
        return module
    samples, reasons = probes(example), []
    for order in _ORDERS:
        try:
            with torch.no_grad():
                fused = _call(copy.deepcopy(module), order(paths))
                ratio = least_sqnr_db(module, fused, samples)
        except Exception as error:  # noqa: BLE001 - the user's method may raise anything; said in the warning
            reasons.append(f"{type(error).__name__}: {error}")
            continue
        if ratio < EQUAL_DB:
            reasons.append(f"outputs change ({ratio:.0f} dB)")
        elif _size(fused) < _size(module):
            return fused
    if reasons:
        shown = ", ".join(f"{p or 'the model'}.{_method(module.get_submodule(p))}()" for p in paths[:3])
        warnings.append(f"exported without {shown}: {reasons[-1]}; call it in load() if the model should be fused")
    return module

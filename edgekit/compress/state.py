"""A compressed module on disk without pickling: its tensors and the shape attributes that pruning changed."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

__all__ = ["restore_state", "save_state"]

# Attributes that layers keep beside their tensors and that follow the tensors' shapes.
_SHAPE_ATTRIBUTES = ("in_channels", "out_channels", "groups", "num_features", "in_features", "out_features",
                     "num_channels", "num_groups", "num_parameters", "normalized_shape", "num_embeddings",
                     "embedding_dim", "hidden_size", "input_size")


def save_state(module: nn.Module, file: Path, facts: dict[str, Any]) -> None:
    """Writes every parameter, buffer and shape attribute of ``module``, with ``facts`` (JSON) beside them."""
    attributes = {name: {a: getattr(child, a) for a in _SHAPE_ATTRIBUTES if isinstance(getattr(child, a, None),
                                                                                      int | tuple)}
                  for name, child in module.named_modules()}
    tensors, shared, seen = {}, {}, dict[int, str]()
    for name, tensor in module.state_dict(keep_vars=True).items():
        if (first := seen.setdefault(id(tensor), name)) != name:
            shared[name] = first
        else:
            tensors[name] = tensor.detach().clone().contiguous()
    frozen = [name for name, p in module.named_parameters() if not p.requires_grad]
    save_file(tensors, file, metadata={"attributes": json.dumps(attributes), "shared": json.dumps(shared),
                                       "frozen": json.dumps(frozen), "facts": json.dumps(facts)})


def restore_state(module: nn.Module, file: Path) -> tuple[nn.Module, dict[str, Any]]:
    """A copy of ``module``, the one before compression, in the state that ``save_state`` wrote; and the facts."""
    result = copy.deepcopy(module)
    with safe_open(file, "pt") as stored:
        metadata = stored.metadata()
        for name, values in json.loads(metadata["attributes"]).items():
            child = result.get_submodule(name)
            for attribute, value in values.items():
                setattr(child, attribute, tuple(value) if isinstance(value, list) else value)
        frozen, made = set(json.loads(metadata["frozen"])), dict[str, torch.Tensor]()
        for name in stored.keys():  # noqa: SIM118 - safe_open is no mapping
            made[name] = _replace(result, name, stored.get_tensor(name), name in frozen)
        for name, first in json.loads(metadata["shared"]).items():  # tied weights stay one tensor
            _replace(result, name, made[first], first in frozen)
    return result.eval(), json.loads(metadata["facts"])


def _replace(module: nn.Module, name: str, tensor: torch.Tensor, frozen: bool) -> torch.Tensor:
    path, _, leaf = name.rpartition(".")
    owner = module.get_submodule(path)
    if leaf in owner._parameters:
        parameter = tensor if isinstance(tensor, nn.Parameter) else nn.Parameter(
            tensor, requires_grad=tensor.is_floating_point() and not frozen)
        owner.register_parameter(leaf, parameter)
        return parameter
    owner.register_buffer(leaf, tensor)
    return tensor

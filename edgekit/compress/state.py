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
    tensors = {name: t.detach().clone().contiguous() for name, t in module.state_dict().items()}
    save_file(tensors, file, metadata={"attributes": json.dumps(attributes), "facts": json.dumps(facts)})


def restore_state(module: nn.Module, file: Path) -> tuple[nn.Module, dict[str, Any]]:
    """A copy of ``module``, the one before compression, in the state that ``save_state`` wrote; and the facts."""
    result = copy.deepcopy(module)
    with safe_open(file, "pt") as stored:
        metadata = stored.metadata()
        for name, values in json.loads(metadata["attributes"]).items():
            child = result.get_submodule(name)
            for attribute, value in values.items():
                setattr(child, attribute, tuple(value) if isinstance(value, list) else value)
        for name in stored.keys():  # noqa: SIM118 - safe_open is no mapping
            owner, _, leaf = name.rpartition(".")
            _replace(result.get_submodule(owner), leaf, stored.get_tensor(name))
    return result.eval(), json.loads(metadata["facts"])


def _replace(owner: nn.Module, leaf: str, tensor: torch.Tensor) -> None:
    if leaf in owner._parameters:
        owner.register_parameter(leaf, nn.Parameter(tensor, requires_grad=tensor.is_floating_point()))
    else:
        owner.register_buffer(leaf, tensor)

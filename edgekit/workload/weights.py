"""Weight files: a state dict that fits the module exactly, and never a pickle that could run code."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from edgekit.errors import WorkloadError
from edgekit.workload.origin import shown

__all__ = ["load_weights", "read_state_dict", "refuse_pickled_module"]

# Training scripts often save the state dict under one of these keys, beside the optimizer's.
_NESTED = ("state_dict", "model_state_dict", "model")
_SHOWN = 8


def refuse_pickled_module(file: Path, cause: str) -> WorkloadError:
    """The error for a file that only full unpickling could read."""
    return WorkloadError(
        "workload-pickled", f"{file.name} is not a plain state dict and is not loaded", where=shown(str(file)),
        cause=f"{cause}; unpickling a whole module runs any code that the file holds",
        next="where it comes from, run `safetensors.torch.save_file(model.state_dict(), \"model.safetensors\")`, "
             "build the module in a Python file's load(), and pass `--weights model.safetensors`")


def read_state_dict(file: Path) -> dict[str, torch.Tensor]:
    """Reads .safetensors, or .pth/.pt/.bin with ``weights_only=True``.

    Raises WorkloadError: ``workload-not-found``, ``workload-broken-file``, ``workload-pickled``,
    ``weights-unknown-type`` or ``weights-no-state-dict``.
    """
    where = shown(str(file))
    if not file.is_file():
        raise WorkloadError("workload-not-found", f"no weight file {file.name}", where=where,
                            next="check the path given to --weights")
    if file.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file
        try:
            return load_file(file)
        except SafetensorError as error:
            raise WorkloadError("workload-broken-file", f"{file.name} is not a whole safetensors file", where=where,
                                cause=str(error), next="copy or download the file again") from error
    if file.suffix not in (".pth", ".pt", ".bin"):
        raise WorkloadError("weights-unknown-type", f"weights of type {file.suffix or 'no suffix'} are not known",
                            where=where, next="save the state dict as .safetensors (preferred), .pth or .pt")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about other kinds of files, which are refused below
            loaded = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if not _is_torch_file(file):
            raise WorkloadError("workload-broken-file", f"{file.name} is no file of weights", where=where,
                                cause="it does not begin as what torch.save writes",
                                next="copy or download the file again") from error
        raise refuse_pickled_module(file, _first_reason(error)) from error
    except (RuntimeError, EOFError, OSError) as error:
        if "TorchScript" in str(error):
            raise refuse_pickled_module(file, "it is a TorchScript archive") from error
        raise WorkloadError("workload-broken-file", f"{file.name} cannot be read", where=where,
                            cause=str(error).split("\n")[0], next="copy or download the file again") from error
    return _state_dict(loaded, file)


def _is_torch_file(file: Path) -> bool:
    """Whether it begins as what ``torch.save`` writes: a zip archive or, in old versions, a binary pickle."""
    with file.open("rb") as stream:
        return stream.read(4).startswith((b"PK\x03\x04", b"\x80"))


def _first_reason(error: Exception) -> str:
    text = str(error)
    marker = "GLOBAL "
    if marker in text:
        return f"it holds {text.split(marker, 1)[1].split()[0]}, which is not a tensor"
    return "it holds more than tensors"


def _state_dict(loaded: object, file: Path) -> dict[str, torch.Tensor]:
    if isinstance(loaded, Mapping):
        for key in _NESTED:
            if isinstance(loaded.get(key), Mapping):
                return _state_dict(loaded[key], file)
        if loaded and all(isinstance(v, torch.Tensor) for v in loaded.values()):
            return {str(k): v for k, v in loaded.items()}
        others = [f"{k}: {type(v).__name__}" for k, v in loaded.items() if not isinstance(v, torch.Tensor)]
        cause = f"entries that are no tensors: {', '.join(others[:_SHOWN])}" if others else "it is empty"
    else:
        cause = f"it holds a {type(loaded).__name__}"
    raise WorkloadError("weights-no-state-dict", f"{file.name} holds no state dict", where=shown(str(file)),
                        cause=cause, next="save model.state_dict() itself")


def load_weights(module: nn.Module, file: Path) -> None:
    """Loads ``file`` into ``module``: every key and every shape must fit.

    Keys that the file leaves out because they share memory with one that it has (tied weights; safetensors stores
    them once) count as there. Raises WorkloadError (``weights-mismatch``) listing what does not fit.
    """
    state = read_state_dict(file)
    own = module.state_dict()
    filled = {own[k].data_ptr() for k in own.keys() & state.keys()}
    missing = [k for k in own if k not in state and (own[k].data_ptr() not in filled or not own[k].numel())]
    extra = [k for k in state if k not in own]
    shapes = [f"{k}: file {list(state[k].shape)}, model {list(own[k].shape)}"
              for k in own.keys() & state.keys() if own[k].shape != state[k].shape]
    if missing or extra or shapes:
        lists = (("missing in the file", missing), ("not in the model", extra), ("other shape", sorted(shapes)))
        cause = "\n".join(f"{title} ({len(found)}): {', '.join(found[:_SHOWN])}"
                          f"{' ...' if len(found) > _SHOWN else ''}" for title, found in lists if found)
        raise WorkloadError("weights-mismatch", f"{file.name} does not fit the module that load() returns",
                            where=shown(str(file)), cause=cause, next=_mismatch_help(missing, extra))
    module.load_state_dict(state, strict=False)


def _mismatch_help(missing: list[str], extra: list[str]) -> str:
    for key in extra:
        for own in missing:
            if key.endswith(f".{own}"):
                prefix = key.removesuffix(own)
                return f"the file's keys start with `{prefix}`: save the state dict of the inner module instead"
    return "build the module in load() with the settings that it was trained with"

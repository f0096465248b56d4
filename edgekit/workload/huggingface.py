"""A workload from a local Hugging Face folder: config.json and safetensors, read without running its code."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from edgekit.contracts import Workload
from edgekit.errors import EnvironmentProblem, WorkloadError
from edgekit.workload.fit import run_once
from edgekit.workload.origin import shown
from edgekit.workload.positional import make_positional
from edgekit.workload.preprocess import check_preprocess
from edgekit.workload.structure import flatten_outputs, output_names
from edgekit.workload.weights import load_weights

__all__ = ["workload_from_folder"]

_SENTENCE = "The quick brown fox jumps over the lazy dog."
_LONGEST = 128
# What transformers raises for files that do not belong together or are cut off.
_BROKEN = (OSError, ValueError, TypeError, RuntimeError, KeyError, ImportError, SafetensorError)


def workload_from_folder(folder: Path, weights: Path | None) -> Workload:
    """Loads the model that ``config.json`` names, with eager attention, offline.

    Inputs are a tokenised sentence (where the folder has a tokenizer), token ids or an image, by the model's own
    main input. Raises WorkloadError for a folder that is no model, needs code of its own or has pickled weights
    only; EnvironmentProblem (``package-missing``) where transformers is not installed.
    """
    config = _config(folder)
    _require_safe(folder, weights)
    try:
        import transformers
    except ImportError as error:
        raise EnvironmentProblem("package-missing", "Hugging Face folders need the package transformers",
                                 where=shown(str(folder)), next='pip install "edgekit[huggingface]"') from error
    module, notes = _module(transformers, folder, config, weights)
    example, preprocess = _example(transformers, folder, module)
    names = tuple(example)
    outputs = run_once(module, tuple(example.values()), names, by_name=True, where=shown(str(folder)))
    paths = [p for p, _ in flatten_outputs(outputs)]
    return Workload(
        name=folder.resolve().name, source=folder, module=make_positional(module, names, by_name=True),
        example=tuple(example.values()), input_names=names, output_names=output_names(paths, names),
        labels=_labels(config), preprocess=preprocess, warnings=notes)


def _config(folder: Path) -> dict[str, Any]:
    file = folder / "config.json"
    if not file.is_file():
        raise WorkloadError("workload-not-found", f"{folder.name} is no Hugging Face folder", where=shown(str(folder)),
                            cause="it has no config.json", next="give a .py file, package.module, a .pt2, or a folder "
                            "that save_pretrained() wrote")
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WorkloadError("workload-broken-file", "config.json is not JSON", where=shown(str(file)),
                            cause=str(error), next="write the folder again with save_pretrained()") from error
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise WorkloadError("workload-broken-file", "config.json names no model_type", where=shown(str(file)),
                            next="write the folder again with save_pretrained()")
    return config


def _require_safe(folder: Path, weights: Path | None) -> None:
    for file in (folder / "config.json", *sorted(folder.glob("*.json"))):  # a tokenizer can bring code too
        if code := _auto_map(file):
            raise WorkloadError("workload-remote-code", f"{folder.name} needs Python code of its own",
                                where=shown(str(file)), cause=f"auto_map: {code}",
                                next="read that code, then build the model in a Python file's load()")
    if weights is None and not list(folder.glob("*.safetensors")):
        pickled = sorted(f.name for f in folder.glob("*.bin"))
        raise WorkloadError("workload-pickled" if pickled else "workload-not-found",
                            f"{folder.name} has no safetensors weights", where=shown(str(folder)),
                            cause=f"{pickled[0]} is a pickle" if pickled else "no *.safetensors in the folder",
                            next=f"pass `--weights {folder.name}/{pickled[0]}`, which is read as weights only"
                            if pickled else "save the model with save_pretrained(), or pass --weights FILE")


def _auto_map(file: Path) -> Any:
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # whoever needs the file says so
        return None
    return settings.get("auto_map") if isinstance(settings, dict) else None


def _module(transformers: Any, folder: Path, config: dict[str, Any],
            weights: Path | None) -> tuple[nn.Module, list[str]]:
    kind = next((getattr(transformers, n) for n in config.get("architectures") or [] if hasattr(transformers, n)),
                transformers.AutoModel)
    options: dict[str, Any] = {"attn_implementation": "eager", "dtype": torch.float32}
    level = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    notes: list[str] = []
    try:
        if weights is not None:
            settings = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            build = kind.from_config if hasattr(kind, "from_config") else kind._from_config
            module = build(settings, **options)
            load_weights(module, weights)
        else:
            module, found = kind.from_pretrained(folder, local_files_only=True, use_safetensors=True,
                                                 trust_remote_code=False, output_loading_info=True, **options)
            missing = sorted(found["missing_keys"])
            if missing:
                notes.append(f"weights not in the folder are random: {', '.join(missing[:8])}")
    except _BROKEN as error:
        raise _unreadable(folder, error, "check that config.json and the weights belong together") from error
    finally:
        transformers.logging.set_verbosity(level)
    if hasattr(module.config, "use_cache"):
        module.config.use_cache = False
    return module.cpu().float().eval(), notes


def _unreadable(folder: Path, error: BaseException, advice: str) -> WorkloadError:
    return WorkloadError("workload-broken-file", f"transformers cannot load {folder.name}", where=shown(str(folder)),
                         cause=f"{type(error).__name__}: {str(error).strip().split(chr(10))[0][:300]}",
                         next=f"{advice}, and the version of transformers")


def _example(transformers: Any, folder: Path,
             module: nn.Module) -> tuple[dict[str, torch.Tensor], dict[str, Any] | None]:
    accepted = inspect.signature(module.forward).parameters
    main = getattr(module, "main_input_name", "")
    config: Any = module.config
    if main == "input_ids":
        return _text(transformers, folder, accepted, config), None
    if main == "pixel_values":
        return _image(folder, config)
    raise WorkloadError("workload-bad-inputs", f"example inputs for `{main}` cannot be made up",
                        where=shown(str(folder)), cause="only text (input_ids) and images (pixel_values) are known",
                        next="write a Python file with load() and example_inputs() around this folder")


def _text(transformers: Any, folder: Path, accepted: Any, config: Any) -> dict[str, torch.Tensor]:
    length = min(_LONGEST, int(getattr(config, "max_position_embeddings", 0) or _LONGEST))
    if any((folder / f).is_file() for f in ("tokenizer.json", "vocab.txt", "tokenizer_config.json")):
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True,
                                                                   trust_remote_code=False)
        except _BROKEN as error:
            raise _unreadable(folder, error, "check that the tokenizer's files are all there") from error
        padding = {"padding": "max_length"} if tokenizer.pad_token is not None else {}
        tokens = tokenizer(_SENTENCE, return_tensors="pt", truncation=True, max_length=length, **padding)
        return {n: t for n, t in tokens.items() if n in accepted}
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, int(config.vocab_size), (1, length), generator=generator)
    mask = {"attention_mask": torch.ones_like(ids)} if "attention_mask" in accepted else {}
    return {"input_ids": ids, **mask}


def _image(folder: Path, config: Any) -> tuple[dict[str, torch.Tensor], dict[str, Any] | None]:
    file = folder / "preprocessor_config.json"
    settings = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    size = settings.get("crop_size") or settings.get("size") or getattr(config, "image_size", 224)
    if isinstance(size, dict):
        height = size.get("height") or size.get("shortest_edge") or 224
        width = size.get("width") or height
    else:
        height, width = size if isinstance(size, list | tuple) else (size, size)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn((1, int(getattr(config, "num_channels", 3)), int(height), int(width)), generator=generator)
    if not settings.get("image_mean"):
        return {"pixel_values": pixels}, None
    how = {"resize": (int(height), int(width)), "mean": settings["image_mean"], "std": settings["image_std"],
           "scale": settings.get("rescale_factor", 1 / 255)}
    return {"pixel_values": pixels}, check_preprocess(how, shown(str(file)))


def _labels(config: dict[str, Any]) -> list[str] | None:
    names = config.get("id2label")
    if not isinstance(names, dict) or all(str(v).startswith("LABEL_") for v in names.values()):
        return None
    return [str(names[k]) for k in sorted(names, key=int)]

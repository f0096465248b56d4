"""The kernel tables that ship: ``device_profiles/kernels/FORMAT/CORE.yaml``, chosen by a core's instructions."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from edgekit.devices.core import Core
from edgekit.errors import DeviceError
from edgekit.estimate.kernels import KernelTable
from edgekit.yamlfile.shipped import shipped_folder
from edgekit.yamlfile.source import read_yaml
from edgekit.yamlfile.validate import raise_problems, validated

__all__ = ["MODELS", "SHARED", "get_kernels", "list_kernels", "load_kernels", "model_of"]

# The instructions that runtimes choose kernels by, the newest first, and the core model counted for those that have it.
MODELS = {"i8mm": "cortex-x3", "asimddp": "cortex-a76", "asimd": "cortex-a53"}


# Whose figures stand for kernels that were not counted: ExecuTorch has XNNPACK as LiteRT has; ONNX Runtime's own that
# move data do the same work.
SHARED = {"executorch": "tflite", "onnx": "tflite"}


def model_of(core: Core) -> str:
    """The core model whose kernels a runtime chooses on ``core``."""
    found = next((model for feature, model in MODELS.items() if feature in core.features), None)
    if found is None:
        raise DeviceError("kernels-unknown", f"nobody counted kernels for {core.id}",
                          cause=f"it has none of {', '.join(MODELS)}",
                          next=f"add one to device_profiles/cores/{core.id}.yaml if the core has it")
    return found


def list_kernels(format_name: str) -> dict[str, Path]:
    """The shipped tables of a format by core model, unread."""
    folder = shipped_folder("device_profiles") / "kernels" / format_name
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def get_kernels(format_name: str, core: Core) -> KernelTable:
    """What the format's runtime executes on ``core``. Raises DeviceError where nobody counted it."""
    model, other = model_of(core), SHARED.get(format_name)
    shipped, shared = list_kernels(format_name), list_kernels(other) if other else {}
    tables = [load_kernels(found[model]) for found in (shared, shipped) if model in found]
    if not tables:
        raise DeviceError("kernels-unknown", f"nobody counted {format_name}'s kernels on {model} yet",
                          cause=f"there are tables for {', '.join(shipped) or 'no core'}",
                          next="estimate with --tier counts")
    *base, own = tables
    if not base:
        return own
    return own.model_copy(update={"kernels": {**base[0].kernels, **own.kernels}, "provenance": {
        **own.provenance, "shared": f"kernels that were not counted are those of {base[0].runtime}"}})


@cache
def load_kernels(path: Path) -> KernelTable:
    """The table in a file. Raises RecipeError with every mistake of the file in ``problems``."""
    source = read_yaml(path)
    table = validated(KernelTable, source)
    raise_problems("kernels", source)
    assert table is not None  # no table without a problem
    return table

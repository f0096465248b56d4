"""The kernel tables that ship: ``device_profiles/kernels/FORMAT/CORE.yaml``, chosen by a core's instructions."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from edgekit.devices.core import Core
from edgekit.errors import DeviceError
from edgekit.estimate.kernels import KernelTable
from edgekit.yamlfile.shipped import shipped_folder
from edgekit.yamlfile.validate import read_validated

__all__ = ["MODELS", "get_kernels", "list_kernels", "load_kernels", "model_of", "stand_in"]

# The instructions that runtimes choose kernels by, the newest first, and the core model counted for those that have it.
MODELS = {"i8mm": "cortex-x3", "asimddp": "cortex-a76", "asimd": "cortex-a53"}

# A runtime with the kernel library of another, whose table it takes: XNNPACK.
_SAME_KERNELS = {"executorch": "tflite"}
# Whose figures stand for kernels that nobody counted in a runtime with kernels of its own.
_STAND_INS = {"onnx": "tflite"}


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
    model, shipped = model_of(core), list_kernels(_SAME_KERNELS.get(format_name, format_name))
    if model not in shipped:
        raise DeviceError("kernels-unknown", f"nobody counted {format_name}'s kernels on {model} yet",
                          cause=f"there are tables for {', '.join(shipped) or 'no core'}",
                          next="measure it: edgekit measure ARTIFACT --on ssh:HOST, or adb")
    return load_kernels(shipped[model])


def stand_in(format_name: str, core: Core) -> KernelTable | None:
    """Another runtime's table, for kernels that the format's own lacks; None where there is none."""
    other = _STAND_INS.get(format_name)
    return get_kernels(other, core) if other else None


@cache
def load_kernels(path: Path) -> KernelTable:
    """The table in a file. Raises RecipeError with every mistake of the file in ``problems``."""
    return read_validated(KernelTable, path, "kernels")

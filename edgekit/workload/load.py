"""The four ways in: a Python file, ``package.module``, a ``.pt2`` and a local Hugging Face folder."""

from __future__ import annotations

from pathlib import Path

from edgekit.contracts import Workload
from edgekit.errors import WorkloadError
from edgekit.workload.origin import shown
from edgekit.workload.there import WAYS, check_there
from edgekit.workload.user_code import import_file, import_name
from edgekit.workload.weights import read_state_dict, refuse_pickled_module

__all__ = ["load_workload"]

# Files that users take for workloads -> what they hold and the way out.
_NO_WORKLOADS = {
    ".safetensors": "weights alone, without the module they belong to",
    ".tflite": "an exported artifact, not a PyTorch model",
    ".pte": "an exported artifact, not a PyTorch model",
    ".onnx": "an exported artifact, not a PyTorch model",
    ".ckpt": "a training checkpoint, which only full unpickling can read",
}


def load_workload(ref: str, weights: Path | None = None) -> Workload:
    """Loads the trained model that ``ref`` names, with what its author says about it.

    Args:
        ref: path of a ``.py`` or ``.pt2`` file or of a folder with ``config.json``; or ``package.module``.
        weights: a state dict (.safetensors, or .pth/.pt read as weights only) to load into the module.

    Raises WorkloadError for what is not there, does not fit or could run code; EnvironmentProblem for a missing extra.
    """
    check_there(ref, weights)
    path = Path(ref)
    if path.is_dir():
        from edgekit.workload.huggingface import workload_from_folder
        return workload_from_folder(path, weights)
    if path.is_file():
        return _from_file(path, weights)
    from edgekit.workload.python_file import workload_from
    namespace = import_name(ref)
    file = Path(namespace.__file__) if namespace.__file__ else Path(ref)
    return workload_from(namespace, file, ref.rpartition(".")[2], weights)


def _from_file(path: Path, weights: Path | None) -> Workload:
    if path.suffix == ".py":
        from edgekit.workload.python_file import workload_from
        return workload_from(import_file(path), path, path.stem, weights)
    if path.suffix == ".pt2":
        from edgekit.workload.pt2 import workload_from_pt2
        return workload_from_pt2(path, weights)
    if path.suffix in (".pt", ".pth", ".bin"):
        read_state_dict(path)  # raises the exact reason where it is a pickled module, or broken
        raise WorkloadError("workload-no-module", f"{path.name} holds weights alone", where=shown(str(path)),
                            cause="a state dict does not say which module it belongs to",
                            next=f"build the module in a Python file's load() and pass `--weights {path.name}`")
    if path.suffix in (".pkl", ".pickle", ".joblib"):
        raise refuse_pickled_module(path, "it is a pickle")
    cause = _NO_WORKLOADS.get(path.suffix, "not a kind of file that holds a workload")
    raise WorkloadError("workload-not-found", f"{path.name} is no workload", where=shown(str(path)), cause=cause,
                        next=WAYS)

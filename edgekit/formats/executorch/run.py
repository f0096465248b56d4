"""Loading and running a ``.pte`` in ExecuTorch's own runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edgekit.contracts import LayerValue
from edgekit.errors import ConversionError, EdgekitError, UsageError
from edgekit.formats.executorch.description import METHOD, Description, parse
from edgekit.types.tensor import TensorSpec

__all__ = ["PteSession", "load", "read_description"]

_FORWARD = "forward"
# ExecuTorch's ScalarType numbers (exir/scalar_type.py) that a border can have.
_DTYPES = {0: "uint8", 1: "int8", 2: "int16", 3: "int32", 4: "int64", 5: "float16", 6: "float32", 7: "float64",
           11: "bool", 15: "bfloat16"}


class PteSession:
    """A loaded ``forward`` method. See ``contracts.Session``."""

    def __init__(self, method: Any, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]) -> None:
        self._method, self.inputs, self.outputs = method, inputs, outputs

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Raises UsageError for inputs that do not fit ``self.inputs`` and ConversionError where the runtime fails."""
        tensors = [self._checked(spec, array) for spec, array in _paired(self.inputs, inputs)]
        try:
            results = self._method(tensors)
        except RuntimeError as error:
            raise ConversionError("artifact-does-not-run", "ExecuTorch could not run the program", cause=str(error),
                                  next="report the model: edgekit should have refused it before") from error
        # the runtime owns these buffers and overwrites them in the next run
        return [np.array(r.numpy() if isinstance(r, torch.Tensor) else r, copy=True) for r in results]

    def layers(self, inputs: Sequence[np.ndarray]) -> list[LayerValue]:
        raise EdgekitError(
            "layers-unavailable", "ExecuTorch gives no intermediate values of a delegated program",
            cause="XNNPACK runs a delegated graph in one call and keeps its tensors to itself",
            next="simulated values of the same scheme stand in for them: edgekit verify --layers uses those")

    @staticmethod
    def _checked(spec: TensorSpec, array: np.ndarray) -> torch.Tensor:
        array = np.ascontiguousarray(array)
        fits = len(array.shape) == len(spec.shape) and all(
            isinstance(want, str) or want == have for want, have in zip(spec.shape, array.shape, strict=True))
        if not fits or str(array.dtype) != spec.dtype:
            raise UsageError("artifact-inputs", f"input {spec.name!r} is {array.dtype}{list(array.shape)}",
                             cause=f"the program takes {spec.dtype}{list(spec.shape)}",
                             next="shape and convert the array as Session.inputs says")
        return torch.from_numpy(array if array.flags.writeable else array.copy())


def _paired(specs: Sequence[TensorSpec], inputs: Sequence[np.ndarray]) -> list[tuple[TensorSpec, np.ndarray]]:
    if len(specs) != len(inputs):
        raise UsageError("artifact-inputs", f"{len(inputs)} inputs were given, the program takes {len(specs)}",
                         next="give one array for each of Session.inputs")
    return list(zip(specs, inputs, strict=True))


def load(path: Path) -> PteSession:
    """Loads the file and its ``forward`` method. Raises ConversionError where the runtime refuses either."""
    program = _program(path)
    try:
        method = program.load_method(_FORWARD)
        meta = program.method_meta(_FORWARD)
    except (RuntimeError, KeyError) as error:
        raise _refused(path, error) from error
    description = read_description(program)
    if description is not None:
        return PteSession(method, description.inputs, description.outputs)
    inputs = tuple(_spec(f"input_{i}", meta.input_tensor_meta(i)) for i in range(meta.num_inputs()))
    outputs = tuple(_spec(f"output_{i}", meta.output_tensor_meta(i)) for i in range(meta.num_outputs()))
    return PteSession(method, inputs, outputs)


def read_description(program: Any) -> Description | None:
    """What edgekit wrote into the file; None in files of other tools."""
    if METHOD not in (program.get_method_name(i) for i in range(program.num_methods())):
        return None
    try:
        return parse(program.load_method(METHOD)([])[0])
    except RuntimeError:
        return None


def _program(path: Path) -> Any:
    # The library that executorch.runtime wraps: importing the wrapper imports the whole exporter, for seconds.
    from executorch.extension.pybindings import _portable_lib

    _register_quantized_kernels()
    if not path.is_file():
        raise UsageError("artifact-missing", f"there is no file {path}", where=str(path), next="name a .pte file")
    try:
        return _portable_lib._load_program(
            str(path), program_verification=_portable_lib.Verification.InternalConsistency)
    except RuntimeError as error:
        raise _refused(path, error) from error


def _register_quantized_kernels() -> None:
    """Kernels for quantise and dequantise outside the delegate; apps link the same library (``quantized_ops``)."""
    import executorch.kernels.quantized  # noqa: F401


def _refused(path: Path, error: Exception) -> ConversionError:
    return ConversionError("artifact-does-not-load", f"ExecuTorch does not load {path.name}", where=str(path),
                           cause=str(error), next="check that the file is whole and made for this ExecuTorch version")


def _spec(name: str, meta: Any) -> TensorSpec:
    return TensorSpec(name=name, shape=tuple(meta.sizes()), dtype=_DTYPES.get(int(meta.dtype()), "float32"))

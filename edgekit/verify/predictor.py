"""Puts the workload's float NCHW tensors through anything that runs: a module, or an artifact's session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from edgekit.contracts import Inputs, Predict, Session
from edgekit.errors import WorkloadError
from edgekit.types.tensor import TensorSpec

__all__ = ["float_predictor", "from_artifact", "predictor", "to_artifact"]

Run = Callable[[Inputs], list[torch.Tensor]]


def to_artifact(value: np.ndarray, spec: TensorSpec) -> np.ndarray:
    """A model-side tensor (float, NCHW) as the artifact takes it: its layout, then its quantised dtype."""
    if spec.layout == "nhwc" and value.ndim == 4:
        value = value.transpose(0, 2, 3, 1)
    if spec.quant is not None and np.issubdtype(value.dtype, np.floating):
        limits = np.iinfo(spec.dtype)
        quantized = np.rint(value / spec.quant.scale[0]) + spec.quant.zero_point[0]
        return np.clip(quantized, limits.min, limits.max).astype(spec.dtype)
    return np.ascontiguousarray(value.astype(spec.dtype, copy=False))


def from_artifact(value: np.ndarray, spec: TensorSpec) -> np.ndarray:
    """The artifact's output as the model gives it: dequantised to float32, channels back in axis 1."""
    if spec.quant is not None and np.issubdtype(value.dtype, np.integer):
        value = (value.astype(np.float32) - spec.quant.zero_point[0]) * np.float32(spec.quant.scale[0])
    elif value.dtype == np.float16:
        value = value.astype(np.float32)
    if spec.layout == "nhwc" and value.ndim == 4:
        value = value.transpose(0, 3, 1, 2)
    return value


def _rows(value: Any) -> torch.Tensor:
    return value if isinstance(value, torch.Tensor) else torch.as_tensor(np.asarray(value))


def _batched(run: Run, example: Inputs, names: Sequence[str]) -> Predict:
    """Lets ``run``, which takes batches of the example's size only, serve any number of rows."""
    size = example[0].shape[0] if example[0].ndim else 0

    def predict(*args: Any, **kwargs: Any) -> Any:
        values = tuple(_rows(v) for v in args) + tuple(_rows(kwargs[n]) for n in names[len(args):] if n in kwargs)
        if len(values) != len(example):
            raise WorkloadError("predict-inputs", f"predict() got {len(values)} inputs, the model takes {len(example)}",
                                cause=f"inputs: {', '.join(names)}",
                                next="pass every input of forward(), in its order, from evaluate()")
        rows = values[0].shape[0] if values[0].ndim else 0
        if all(v.shape == e.shape for v, e in zip(values, example, strict=True)) or not size:
            return _pack(run(values))
        parts: list[list[torch.Tensor]] = []
        for start in range(0, rows, size):
            chunk = tuple(v[start:start + size] for v in values)
            short = size - chunk[0].shape[0]
            if short:  # repeat the last row to fill the fixed batch; the surplus is cut below
                chunk = tuple(torch.cat([c, c[-1:].expand(short, *c.shape[1:])]) for c in chunk)
            parts.append([out[:size - short] for out in run(chunk)])
        return _pack([torch.cat(outs) for outs in zip(*parts, strict=True)])

    return predict


def _pack(outputs: list[torch.Tensor]) -> Any:
    return outputs[0] if len(outputs) == 1 else tuple(outputs)


def float_predictor(module: nn.Module, example: Inputs, names: Sequence[str], *, batch: bool = True) -> Predict:
    """The float model as a ``Predict``. ``batch`` says that it takes any leading batch, as most modules do."""

    def run(inputs: Inputs) -> list[torch.Tensor]:
        # Floats in the model's own precision, as artifacts take them: evaluate() may bring numpy's float64.
        own = tuple(t.to(e.dtype) if t.is_floating_point() and e.is_floating_point() else t
                    for t, e in zip(inputs, example, strict=False))
        with torch.inference_mode():
            out = module(*(t.clone() for t in (*own, *inputs[len(own):])))  # forward() may write to them
        return [out] if isinstance(out, torch.Tensor) else list(out)

    if not batch:
        return _batched(run, example, names)
    return lambda *args, **kwargs: _pack(run(tuple(_rows(v) for v in args) + tuple(
        _rows(kwargs[n]) for n in names[len(args):] if n in kwargs)))


def predictor(session: Session, example: Inputs, names: Sequence[str]) -> Predict:
    """A loaded artifact as a ``Predict`` in the float model's dtypes and layout."""

    def run(inputs: Inputs) -> list[torch.Tensor]:
        arrays = [to_artifact(v.detach().numpy(), s) for v, s in zip(inputs, session.inputs, strict=True)]
        outputs = session.run(arrays)
        return [torch.from_numpy(np.array(from_artifact(v, s)))
                for v, s in zip(outputs, session.outputs, strict=True)]

    return _batched(run, example, names)

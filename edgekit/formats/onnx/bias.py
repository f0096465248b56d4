"""Puts corrected biases (``QuantPlan.biases``) into the float model, once its ranges are taken."""

from __future__ import annotations

from collections import Counter

import numpy as np
from onnx import ModelProto, numpy_helper

from edgekit.contracts import Program, QuantPlan

__all__ = ["correct_biases"]


def correct_biases(model: ModelProto, program: Program, plan: QuantPlan) -> None:
    """Replaces initialisers that hold the program's own biases under their names.

    Those that were changed, or that serve several layers because they held the same values, are left alone.
    """
    readers = Counter(name for node in model.graph.node for name in node.input)
    for tensor in model.graph.initializer:
        if tensor.name not in plan.biases or readers[tensor.name] > 1:
            continue
        before = program.exported.state_dict[tensor.name].detach().numpy()
        stored = numpy_helper.to_array(tensor)
        if stored.shape == before.shape and np.allclose(stored, before, rtol=1e-5, atol=1e-7):
            after = plan.biases[tensor.name].numpy().astype(stored.dtype)
            tensor.CopyFrom(numpy_helper.from_array(after, tensor.name))

"""What ``torch.export`` cannot capture, in the user's terms: the construct, their line, and what usually helps."""

from __future__ import annotations

import re
from typing import NamedTuple

import torch

from edgekit.errors import ConversionError
from edgekit.workload.origin import blame, lines_of_error, parse_stack_trace, shown
from edgekit.workload.sources import source_of

__all__ = ["capture_error", "refuse_data_dependent"]


class _Known(NamedTuple):
    pattern: str  # searched in "Kind: message" of the error
    code: str
    construct: str
    helps: str


_KNOWN = [
    _Known(r"guard on data-dependent|GuardOnDataDependent|data-dependent (branch|control|expression)|"
           r"Boolean value of .* ambiguous",
           "capture-data-dependent", "control flow or a size that depends on a tensor's values",
           "replace `if tensor ...` by torch.where, or decide by shapes and by flags set in __init__"),
    _Known(r"Constraints violated|was specialized|specialized to|ConstraintViolation",
           "capture-fixed-batch", "code that fixes the batch size, though dynamic_shapes() lets it vary",
           "use x.shape[0] or -1 instead of a number, or remove dynamic_shapes()"),
    _Known(r"\.numpy\(\) is not supported|__array__|numpy\(\)|can't convert .* to numpy|Cannot convert .* numpy",
           "capture-numpy", "a tensor turned into a numpy array", "use the torch function of the same name"),
    _Known(r"\.tolist\(\)|aten\._local_scalar_dense|\.item\(\)|DataDependentOutputException",
           "capture-item", "a tensor's value read by .item(), .tolist(), int() or float()",
           "keep the value a tensor, or compute it in __init__"),
    _Known(r"data_ptr|data pointer|untyped_storage|storage\(\)", "capture-storage", "access to a tensor's memory",
           "use tensor operations in place of data_ptr() and storage()"),
    _Known(r"autograd\.Function|torch\.autograd", "capture-autograd", "a custom torch.autograd.Function",
           "write forward() with plain tensor operations for the export"),
    _Known(r"DynamicOutputShapeException|nonzero|unbacked",
           "capture-dynamic-output", "an operator whose output size depends on a tensor's values",
           "use masks or a fixed top-k instead of nonzero(), unique() and boolean indexing"),
    _Known(r"NotImplementedError|UnsupportedOperator|no fake impl|no meta|Could not run '|not implemented for",
           "capture-unsupported", "an operator that torch.export has no description of",
           "replace the operator by ones of torch.nn.functional, or register a fake implementation for it"),
    _Known(r"in-?place|mutat", "capture-mutation", "a change in place of something the graph cannot hold",
           "write out-of-place: x = x + 1, torch.cat, torch.where"),
]
_OTHER = _Known("", "capture-failed", "a construct that torch.export cannot follow",
                "move what is no tensor computation out of forward(); try torch.export.export(model, inputs) alone")


def capture_error(error: BaseException) -> ConversionError:
    """A ConversionError for what ``torch.export`` raised, without its traceback."""
    text = f"{type(error).__name__}: {error}"
    known = next((k for k in _KNOWN if re.search(k.pattern, text, re.I)), _OTHER)
    lines = blame(lines_of_error(error)) or blame(parse_stack_trace(str(error)))
    line = lines[-1] if lines else None
    reason = next((part.strip() for part in str(error).split("\n") if part.strip()), type(error).__name__)
    at = f"at `{line[3]}`: " if line and line[3] else ""
    return ConversionError(known.code, f"the model cannot be captured: {known.construct}",
                           where=f"{shown(line[0])}:{line[1]}" if line else None,
                           cause=f"{at}{type(error).__name__}: {reason[:300]}", next=known.helps)


def _where(node: torch.fx.Node) -> str | None:
    source = source_of(node)
    if source is None:
        return None
    return f"{source.file}:{source.line}" if source.file else source.module or None


def refuse_data_dependent(exported: torch.export.ExportedProgram) -> None:
    """Raises ConversionError where a number or a tensor's size depends on values: devices plan memory beforehand."""
    for node in exported.graph.nodes:
        if str(node.target) in ("aten.item.default", "aten._local_scalar_dense.default"):
            raise ConversionError("capture-item", f"{node.name} reads a tensor's value into Python",
                                  where=_where(node), cause="formats for devices compute with tensors only",
                                  next=next(k.helps for k in _KNOWN if k.code == "capture-item"))
        value = node.meta.get("val")
        sizes = value.shape if isinstance(value, torch.Tensor) else ()
        if any(re.match(r"u\d+", str(s)) for s in sizes):
            raise ConversionError(
                "capture-dynamic-output", f"the size of {node.name}'s result depends on a tensor's values",
                where=_where(node),
                cause=f"{node.target} gives {[str(s) for s in sizes]}; formats for devices plan memory beforehand",
                next="use masks or a fixed top-k instead of nonzero(), unique() and boolean indexing")

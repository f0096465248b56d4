"""From the float .tflite to the scheme's, through ai-edge-quantizer, operator by operator where it must."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.contracts import FloatRule, Program, QuantPlan
from edgekit.errors import ConversionError
from edgekit.formats.build import needs_extra
from edgekit.formats.tflite.bias import corrected_model
from edgekit.formats.tflite.calibrate import calibrate
from edgekit.formats.tflite.check import refusal
from edgekit.formats.tflite.flatbuffer import FileGraph, OpRecord, read_graph
from edgekit.formats.tflite.graph import op_kind
from edgekit.formats.tflite.naming import node_of, source_of
from edgekit.quantize.rules import covering

__all__ = ["Kept", "quantize"]

# How ai-edge-quantizer is told each scheme: (method of Quantizer, its arguments) per operator it is meant for.
# Embedding tables have no static kernel, so the static schemes store them in int8 and look rows up as floats.
_Step = tuple[str, str, dict[str, Any]]
_STATIC_TABLE: _Step = ("add_dynamic_config", "EMBEDDING_LOOKUP", {"num_bits": 8})
_RECIPES: dict[str, tuple[_Step, ...]] = {
    "fp16": (("add_weight_only_config", "*", {"num_bits": 16, "algorithm_key": "float_casting"}),),
    "w8a8-static": (("add_static_config", "*", {"activation_num_bits": 8, "weight_num_bits": 8}), _STATIC_TABLE),
    "w8a16-static": (("add_static_config", "*", {"activation_num_bits": 16, "weight_num_bits": 8}), _STATIC_TABLE),
    "w8a8-dynamic": (("add_dynamic_config", "*", {"num_bits": 8}),),
    "w8-weight-only": (("add_weight_only_config", "*", {"num_bits": 8}),),
    "w4-weight-only": (("add_weight_only_config", "*", {"num_bits": 8}),
                       *(("add_weight_only_config", op, {"num_bits": 4})
                         for op in ("CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL"))),
}
# No trained activation comes near; masks use -1e9, float32's lowest number or minus infinity.
_NO_GRID = 1e8
_QUANTIZER_NAMES = {"TRANSPOSE_CONV": "CONV_2D_TRANSPOSE"}


@dataclass
class Kept:
    """Operators left float: the float file's operator index -> why. ``notes`` are for the user."""

    reasons: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def quantize(float_path: Path, program: Program, plan: QuantPlan, out: Path, scratch: Path) -> Kept:
    """Writes ``out`` (a file that LiteRT loads and runs) and returns which operators stayed float, and why.

    ``program`` is what ``float_path`` was converted from.

    Operators that the plan's rules name stay float; so does one that the quantizer fails on, or that LiteRT refuses
    in the quantised file, with the tool's own message as the reason.

    Raises:
        ConversionError: nothing that fails can be told apart, or calibration inputs are missing.
    """
    graph = read_graph(float_path)
    ranges = calibrate(float_path, graph, plan, scratch) if plan.scheme.needs_calibration else None
    kept = Kept(_too_wide(graph, ranges or {}))
    kept.reasons |= {op.index: rule.reason for op in graph.ops if (rule := _rule_for(graph, op, plan.keep_float))}

    def attempt(floats: Mapping[int, str]) -> str | None:
        source = corrected_model(float_path, program, plan, floats, scratch)
        return _attempt(source, graph, plan, ranges, floats, out)

    failure = attempt(kept.reasons)
    while failure:
        culprit = _culprit(graph, kept.reasons, attempt)
        if culprit is None or len(kept.reasons) >= len(graph.ops):
            raise ConversionError("converter-failed", f"ai-edge-quantizer cannot make {plan.scheme.name} of this model",
                                  cause=failure, next="choose another scheme, or leave tflite out of `formats`")
        kept.reasons[culprit] = f"ai-edge-quantizer or LiteRT refuses it: {failure}"
        kept.notes.append(f"{graph.ops[culprit].name} at {_scope(graph, graph.ops[culprit])} is kept float: {failure}")
        failure = attempt(kept.reasons)
    return kept


def _rule_for(graph: FileGraph, op: OpRecord, rules: tuple[FloatRule, ...]) -> FloatRule | None:
    name = _scope(graph, op)
    source, kind, node = source_of(name), op_kind(graph, op), node_of(name)
    return covering(rules, source, kind, node)


def _too_wide(graph: FileGraph, ranges: Mapping[str, tuple[float, float]]) -> dict[int, str]:
    """Operators on values so large (a mask's "minus infinity") that a grid over them would lose all others."""
    reasons = {}
    for op in graph.ops:
        reach = max((max(map(abs, ranges.get(graph.tensors[t].name, (0.0,)))) for t in (*op.inputs, *op.outputs)
                     if t >= 0), default=0.0)
        if reach >= _NO_GRID:
            reasons[op.index] = f"its values reach {reach:.0e}: one grid cannot hold them beside ordinary ones"
    return reasons


def _culprit(graph: FileGraph, floats: Mapping[int, str], attempt: Callable[[Mapping[int, str]], str | None]
             ) -> int | None:
    """The first operator that makes quantisation fail, by halving: quantise a prefix only, and see whether it works."""
    open_ops = [op.index for op in graph.ops if op.index not in floats]

    def fails(count: int) -> bool:
        return attempt({**floats, **dict.fromkeys(open_ops[count:], "")}) is not None

    if fails(0) or not open_ops:
        return None
    low, high = 0, len(open_ops)  # works with `low` operators, fails with `high`
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fails(middle) else (middle, high)
    return open_ops[high - 1]


def _attempt(source: Path, graph: FileGraph, plan: QuantPlan, ranges: Mapping[str, tuple[float, float]] | None,
             floats: Mapping[int, str], out: Path) -> str | None:
    """Quantises all but ``floats`` into ``out``; returns None, or why it failed."""
    with needs_extra("tflite"):
        from ai_edge_quantizer import quantizer as aeq
    tool = aeq.Quantizer(str(source))
    _recipe(tool, graph, plan, floats)
    rank = {tensor.name: len(tensor.shape) for tensor in graph.tensors}  # it broadcasts ranges by rank
    calibration = None if ranges is None else {
        name: {"min": np.full((1,) * rank[name], lo, np.float32), "max": np.full((1,) * rank[name], hi, np.float32)}
        for name, (lo, hi) in ranges.items()}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of an interpreter that it opens with all values kept
            result = tool.quantize(calibration, enable_progress_bar=False, enable_progress_report=False)
    except Exception as error:  # noqa: BLE001 - whatever it raises becomes the named reason of one operator
        return _line(error)
    out.write_bytes(bytes(result.quantized_model))
    return refusal(out)


def _recipe(tool: Any, graph: FileGraph, plan: QuantPlan, floats: Mapping[int, str]) -> None:
    from ai_edge_quantizer import qtyping

    names = qtyping.TFLOperationName
    for method, operation, settings in _RECIPES[plan.scheme.name]:
        getattr(tool, method)(regex=".*", operation_name=names(operation), **settings)
    by_name: dict[str, list[str]] = {}
    for index in floats:
        op = graph.ops[index]
        name = _QUANTIZER_NAMES.get(op.name, op.name)
        if name in names.__members__:
            by_name.setdefault(name, []).append(re.escape(_scope(graph, op)))
    for name, scopes in by_name.items():  # one expression an operator name: Python caches only so many
        tool.update_quantization_recipe(f"^(?:{'|'.join(scopes)});", names(name), algorithm_key="no_quantize")
    if plan.scheme.ranges == "static":
        _borders(tool, plan)


def _borders(tool: Any, plan: QuantPlan) -> None:
    """What the file's own inputs and outputs are: the quantizer would make them int8 (or int16) by default."""
    from ai_edge_quantizer import qtyping

    for border in (qtyping.TFLOperationName.INPUT, qtyping.TFLOperationName.OUTPUT):
        if plan.io.dtype == "float32":
            tool.update_quantization_recipe("^.*", border, algorithm_key="no_quantize")
            continue
        unsigned = plan.io.dtype == "uint8"
        tool.update_quantization_recipe("^.*", border, qtyping.OpQuantizationConfig(
            activation_tensor_config=qtyping.TensorQuantizationConfig(
                num_bits=8, symmetric=False,
                dtype=qtyping.TensorDataType.UINT if unsigned else qtyping.TensorDataType.INT),
            weight_tensor_config=qtyping.TensorQuantizationConfig(
                num_bits=8, symmetric=True, granularity=qtyping.QuantGranularity.CHANNELWISE),
            compute_precision=qtyping.ComputePrecision.INTEGER))


def _scope(graph: FileGraph, op: OpRecord) -> str:
    return graph.tensors[op.outputs[0]].name if op.outputs else op.name


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__

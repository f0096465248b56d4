"""The tools' documented default flows, as their own guides show them, with 64 calibration inputs.

Each flow takes the module, its example inputs and calibration inputs, and writes one file. They run in child
processes, because some of them crash.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from coverage.training import trained
from coverage.workload import CALIBRATION
from coverage.zoo import ZOO

Inputs = tuple[torch.Tensor, ...]


def _parts(name: str, fold: int, checkpoints: Path) -> tuple[torch.nn.Module, Inputs, list[Inputs]]:
    task = ZOO[name].task(fold)
    # Plain contiguous tensors: what a task's are views of is no concern of the tools.
    example = tuple(t[:1].contiguous() for t in task.train)
    samples = [tuple(t[i:i + 1].contiguous() for t in task.train) for i in range(CALIBRATION)]
    return trained(name, fold, checkpoints), example, samples


def onnx(module: torch.nn.Module, example: Inputs, samples: list[Inputs], int8: bool, out: Path) -> None:
    """torch.onnx.export(dynamo=True); quant_pre_process and quantize_static in QDQ, per channel."""
    float_file = out.with_suffix(".float.onnx") if int8 else out
    torch.onnx.export(module, example, dynamo=True).save(str(float_file))
    if not int8:
        return
    import onnxruntime
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process
    prepared = out.with_suffix(".prepared.onnx")
    quant_pre_process(str(float_file), str(prepared))
    names = [i.name for i in onnxruntime.InferenceSession(str(prepared)).get_inputs()]

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.rows = iter(samples)

        def get_next(self) -> dict[str, np.ndarray] | None:
            row = next(self.rows, None)
            return None if row is None else {n: t.numpy() for n, t in zip(names, row, strict=True)}

    quantize_static(str(prepared), str(out), Reader(), quant_format=QuantFormat.QDQ, per_channel=True)


def executorch(module: torch.nn.Module, example: Inputs, samples: list[Inputs], int8: bool, out: Path) -> None:
    """torch.export; PT2E with the XNNPACKQuantizer; to_edge_transform_and_lower with the XNNPACK partitioner."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from executorch.exir import to_edge_transform_and_lower
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    program = torch.export.export(module, example)
    if int8:
        quantizer = XNNPACKQuantizer()
        quantizer.set_global(get_symmetric_quantization_config(is_per_channel=True))
        prepared = prepare_pt2e(program.module(), quantizer)
        for row in samples:
            prepared(*row)
        program = torch.export.export(convert_pt2e(prepared), example)
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    out.write_bytes(lowered.to_executorch().buffer)


def tflite(module: torch.nn.Module, example: Inputs, samples: list[Inputs], int8: bool, out: Path) -> None:
    """litert_torch.convert; ai-edge-quantizer's static_wi8_ai8 recipe."""
    import litert_torch
    float_file = out.with_suffix(".float.tflite") if int8 else out
    litert_torch.convert(module, example).export(str(float_file))
    if not int8:
        return
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import quantizer, recipe
    details = Interpreter(str(float_file)).get_signature_runner().get_input_details()  # int64 became int32
    rows = [{k: t.numpy().astype(details[k]["dtype"]) for k, t in zip(sorted(details), row, strict=True)}
            for row in samples]
    made = quantizer.Quantizer(str(float_file), recipe.static_wi8_ai8())
    calibrated = made.calibrate({"serving_default": rows})
    made.quantize(calibrated).export_model(str(out), overwrite=True)


FLOWS = {"onnx": onnx, "executorch": executorch, "tflite": tflite}


def run(format_name: str, artifact: Path, inputs: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
    """Every test item through the artifact, one at a time; a list of values for each output."""
    call = _RUNNERS[format_name](artifact)
    outputs = [call([a[i:i + 1] for a in inputs]) for i in range(len(inputs[0]))]
    return [list(column) for column in zip(*outputs, strict=True)]


def _run_onnx(artifact: Path) -> Any:
    import onnxruntime
    session = onnxruntime.InferenceSession(str(artifact), providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    return lambda row: session.run(None, dict(zip(names, row, strict=True)))


def _run_executorch(artifact: Path) -> Any:
    from executorch.runtime import Runtime
    method = Runtime.get().load_program(str(artifact)).load_method("forward")
    return lambda row: [np.asarray(o) for o in method.execute([torch.from_numpy(np.array(a)) for a in row])]


def _run_tflite(artifact: Path) -> Any:
    from ai_edge_litert.interpreter import Interpreter
    runner = Interpreter(str(artifact)).get_signature_runner()
    ins, outs = runner.get_input_details(), runner.get_output_details()

    def stored(value: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
        scale, zero = detail["quantization"]
        if detail["dtype"] != np.int8 or not scale:
            return value.astype(detail["dtype"])
        return np.clip(np.rint(value / scale) + zero, -128, 127).astype(np.int8)

    def real(value: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
        scale, zero = detail["quantization"]
        return (value.astype(np.float32) - zero) * scale if value.dtype == np.int8 and scale else value

    def call(row: Sequence[np.ndarray]) -> list[np.ndarray]:
        result = runner(**{k: stored(v, ins[k]) for k, v in zip(sorted(ins), row, strict=True)})
        return [real(result[k], outs[k]) for k in sorted(outs)]

    return call


_RUNNERS = {"onnx": _run_onnx, "executorch": _run_executorch, "tflite": _run_tflite}


def export_and_run(format_name: str, name: str, fold: int, checkpoints: Path, int8: bool, out: Path,
                   items: int) -> list[np.ndarray]:
    """The whole default flow and its answers to the first ``items`` test items (child process target)."""
    FLOWS[format_name](*_parts(name, fold, checkpoints), int8, out)
    test = [t[:items].contiguous().numpy() for t in ZOO[name].task(fold).test]
    return [np.concatenate(column) for column in run(format_name, out, test)]

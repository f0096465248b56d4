"""Runs a .tflite once by tflite_runtime, in the Python of an emulated device. Files and exit status as in ``runner.h``.

Called as  python run_tflite_runtime.py job=FOLDER [model=FILE].  Without a model it only loads the runtime.
"""

from __future__ import annotations

import json
import math
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import tflite_runtime
from tflite_runtime.interpreter import Interpreter

_REFUSED = 3


def main(folder: Path, model: str | None) -> int:
    step, begun, outputs = "load", time.monotonic_ns(), []
    loaded, times = 0, []
    try:
        if model is not None:
            _at(step)
            interpreter = Interpreter(model_path=model, num_threads=1)  # XNNPACK included, as users get it
            step = "inputs"
            inputs = _read(folder)
            if len(inputs) != len(interpreter.get_input_details()):
                raise ValueError(f"the model takes {len(interpreter.get_input_details())} inputs")
            for detail, value in zip(interpreter.get_input_details(), inputs, strict=True):
                if tuple(detail["shape"]) != value.shape:
                    interpreter.resize_tensor_input(detail["index"], value.shape)
            step = "prepare"
            _at(step)
            interpreter.allocate_tensors()
            loaded, step = time.monotonic_ns() - begun, "inputs"
            for detail, value in zip(interpreter.get_input_details(), inputs, strict=True):
                interpreter.set_tensor(detail["index"], value)
            step, begun = "run", time.monotonic_ns()
            _at(step)
            interpreter.invoke()
            times = [time.monotonic_ns() - begun]
            outputs = [(d["name"], interpreter.get_tensor(d["index"])) for d in interpreter.get_output_details()]
    except (ValueError, RuntimeError, TypeError) as error:
        _write(folder, {"error": " ".join(str(error).split()), "step": step})
        return _REFUSED
    (folder / "outputs.bin").write_bytes(b"".join(value.tobytes() for _, value in outputs))
    _write(folder, {
        "runtime": f"tflite_runtime {tflite_runtime.__version__}", "load_ns": loaded, "times_ns": times,
        "peak_rss_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, "emulated": True, "operators": [],
        "outputs": [{"name": name, "dtype": str(v.dtype), "shape": v.shape} for name, v in outputs]})
    return 0


def _read(folder: Path) -> list[np.ndarray]:
    """The inputs, in the order of the model's own."""
    values, at, inputs = (folder / "inputs.bin").read_bytes(), 0, []
    for line in (folder / "inputs.txt").read_text().splitlines():
        name, *sizes = line.split()
        dtype, shape = np.dtype(name), tuple(map(int, sizes))
        inputs.append(np.frombuffer(values, dtype, math.prod(shape), at).reshape(shape))
        at += math.prod(shape) * dtype.itemsize
    return inputs


def _at(step: str) -> None:
    print(f"edgekit-at: {step}", file=sys.stderr, flush=True)


def _write(folder: Path, result: dict[str, Any]) -> None:
    (folder / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    arguments = dict(argument.split("=", 1) for argument in sys.argv[1:])
    sys.exit(main(Path(arguments["job"]), arguments.get("model")))

"""Counts what each runtime executes for single operators, on emulated cores.

Writes ``benchmarks/data/kernels/FORMAT.csv``, a row each operator, scheme and core model, one warm inference on one
thread; and ``FORMAT.jsonl``, each artifact's operators as edgekit reads them back. Rows that are there already are
kept, so it can be stopped and run again. ``python benchmarks/kernels/counts.py tflite --only linear``
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench import note
from cases import Case, cases

from edgekit.contracts import IoSpec, QuantPlan, Workload
from edgekit.devices.catalogue import get_core, get_device
from edgekit.devices.profile import Cluster
from edgekit.errors import EdgekitError
from edgekit.formats.registry import get_format
from edgekit.measure.emulated.installation import installed
from edgekit.measure.emulated.run import run_artifact
from edgekit.quantize.policy import default_rules
from edgekit.types.scheme import SCHEMES
from edgekit.workload.capture import capture

DATA = Path(__file__).resolve().parents[1] / "data" / "kernels"
CORES = ("cortex-a53", "cortex-a76", "cortex-x3")
# A second level that holds all of a case, so that nothing depends on a device's own; of any device without a third.
DEVICE, L2_KB = "raspberry-pi-4b", 8192
KEY = ("case", "scheme", "core")
SAMPLES = 2


def write_artifact(format_name: str, case: Case, scheme: str, folder: Path) -> tuple[Path, list[np.ndarray]]:
    """The case as an artifact, with the inputs that it is counted on."""
    torch.manual_seed(0)
    inputs = tuple(torch.randn(shape) for shape in case.shapes)
    names = ("x", "y")[:len(inputs)]
    program = capture(Workload(name="operator", source=Path("cases.py"), module=case.make().eval(), example=inputs,
                               input_names=names, output_names=("z",)))
    form = get_format(format_name)
    static = SCHEMES[scheme].needs_calibration
    border = "int8" if static and format_name == "tflite" and not case.name.startswith("border") else "float32"
    plan = QuantPlan(
        scheme=SCHEMES[scheme], observer="minmax", keep_float=tuple(default_rules(program, SCHEMES[scheme])),
        calibration=(inputs,) * SAMPLES if static else (),
        io=IoSpec(border, "nhwc" if format_name == "tflite" and case.image else "nchw"))
    out = folder / f"{scheme}{form.suffix}"
    if format_name == "onnx" and static and not case.weighted:
        if case.name.startswith("border"):
            return write_quantizer(case, out), [inputs[0].numpy()]
        plan = QuantPlan(scheme=SCHEMES["fp32"], io=IoSpec("float32", "nchw"))
        form.export(program, plan, folder / "float.onnx", folder / "scratch")
        return write_quantized(folder / "float.onnx", out), [x.numpy() for x in inputs]
    form.export(program, plan, out, folder / ("scratch" if format_name != "executorch" else scheme))
    session = form.load(out)
    random = np.random.default_rng(0)
    return out, [random.integers(-100, 100, spec.shape).astype(spec.dtype) if np.dtype(spec.dtype).kind != "f"
                 else random.standard_normal(spec.shape).astype(spec.dtype) for spec in session.inputs]


def grid() -> list[Any]:
    """Constants "scale" and "zero" of a quantiser, as ONNX tensors."""
    from onnx import TensorProto, helper

    return [helper.make_tensor("scale", TensorProto.FLOAT, (), [0.02]),
            helper.make_tensor("zero", TensorProto.UINT8, (), [128])]


def write_quantized(source: Path, out: Path) -> Path:
    """``source`` with every value quantised: edgekit leaves an operator float that has no convolution beside it."""
    from onnx import helper, load, save

    model = load(source)
    graph, nodes = model.graph, []

    def around(name: str, to: str) -> None:
        nodes.append(helper.make_node("QuantizeLinear", [name, "scale", "zero"], [f"{to} uint8"]))
        nodes.append(helper.make_node("DequantizeLinear", [f"{to} uint8", "scale", "zero"], [to]))

    given = {v.name for v in graph.input}
    for name in given:
        around(name, f"{name} again")
    for node in graph.node:
        node.input[:] = [f"{name} again" if name in given else name for name in node.input]
        made = list(node.output)
        node.output[:] = [f"{name} float" for name in made]
        nodes.append(node)
        for name in made:
            around(f"{name} float", name)
    graph.initializer.extend(grid())
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    save(model, out)
    return out


def write_quantizer(case: Case, out: Path) -> Path:
    """Quantising alone."""
    from onnx import TensorProto, helper, save

    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, case.shapes[0])
    z = helper.make_tensor_value_info("z", TensorProto.UINT8, case.shapes[0])
    graph = helper.make_graph([helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["z"])], "quantizer", [x],
                              [z], grid())
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), out)
    return out


def count(format_name: str, artifact: Path, inputs: list[np.ndarray], core: str) -> dict[str, Any]:
    model = get_core(core)
    cluster = Cluster(core=core, count=1, max_ghz=2, l2_kb=L2_KB)
    found = run_artifact(installed(format_name), get_device(DEVICE), cluster, model, artifact, inputs).counts
    return {"core": core, "instructions": found.instructions, "l1_misses": found.l1_misses,
            "l1_streamed": found.streamed[0], **{f"n_{name}": n for name, n in found.by_class.items()}}


class Kept:
    """The rows and graphs of a format, written after each artifact."""

    def __init__(self, format_name: str) -> None:
        self.csv, self.graphs = DATA / f"{format_name}.csv", DATA / f"{format_name}.jsonl"
        self.rows: list[dict[str, Any]] = list(csv.DictReader(self.csv.open())) if self.csv.is_file() else []
        self.ops = {tuple(one["key"]): one for one in map(json.loads, self.graphs.open())} \
            if self.graphs.is_file() else {}

    def has(self, case: Case, scheme: str) -> bool:
        return {(row["case"], row["scheme"]) for row in self.rows} >= {(case.name, scheme)}

    def reread(self, case: Case, scheme: str, graph: dict[str, Any]) -> None:
        self.ops[case.name, scheme] = {"key": [case.name, scheme], "graph": graph}
        self._write()

    def add(self, case: Case, scheme: str, graph: dict[str, Any], found: list[dict[str, Any]]) -> None:
        self.rows += [{"case": case.name, "scheme": scheme, **one} for one in found]
        self.reread(case, scheme, graph)

    def _write(self) -> None:
        DATA.mkdir(parents=True, exist_ok=True)
        made = self.csv.with_name(f".{self.csv.name}.{os.getpid()}")
        made.write_text("".join(json.dumps(one, separators=(",", ":")) + "\n" for _, one in sorted(self.ops.items())))
        made.replace(self.graphs)
        fields = list(dict.fromkeys(field for row in self.rows for field in row))
        classes = sorted(f for f in fields if f.startswith("n_"))
        with made.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, [f for f in fields if f not in classes] + classes, restval=0,
                                    lineterminator="\n")
            writer.writeheader()
            writer.writerows(sorted(self.rows, key=lambda row: [row[k] for k in KEY]))
        made.replace(self.csv)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("format", choices=("tflite", "executorch", "onnx"))
    parser.add_argument("--only", nargs="*", default=[""], help="cases whose name begins so, in this order")
    parser.add_argument("--schemes", nargs="*", help="these only")
    parser.add_argument("--graphs", action="store_true", help="only read the operators of what was counted again")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    kept = Kept(options.format)
    form = get_format(options.format)
    with ThreadPoolExecutor(options.processes) as pool:
        chosen = [(case, [case.name.startswith(o) for o in options.only]) for case in cases(options.format == "tflite")]
        for case in (case for case, begins in sorted(chosen, key=lambda c: (c[1] + [True]).index(True)) if any(begins)):
            todo = [s for s in case.schemes
                    if kept.has(case, s) == options.graphs and s in (options.schemes or case.schemes)]
            if not todo:
                continue
            with tempfile.TemporaryDirectory(prefix="kernels-") as temporary:
                for scheme in todo:
                    try:
                        artifact, inputs = write_artifact(options.format, case, scheme, Path(temporary))
                        graph = form.graph(artifact).model_dump(mode="json", exclude_defaults=True)
                        if options.graphs:
                            kept.reread(case, scheme, graph)
                            continue
                        found = list(pool.map(lambda core, a=artifact, i=inputs:  # type: ignore[misc]
                                              count(options.format, a, i, core), CORES))
                    except EdgekitError as error:
                        note(f"{case.name} {scheme}: none ({error}; {error.cause})")
                        continue
                    kept.add(case, scheme, graph, found)
                    note(f"{case.name} {scheme}: " + ", ".join(f"{row['instructions'] / 1e6:.3f}" for row in found)
                         + " M instructions")


if __name__ == "__main__":
    main()

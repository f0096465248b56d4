"""Every cell of the ONNX column that says yes: exported, loaded, run and compared with the float model."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small_nets import images, sentences

from edgekit.contracts import FloatRule, IoSpec, QuantPlan
from edgekit.errors import ConversionError, UsageError
from edgekit.formats.onnx.format import OnnxFormat
from edgekit.types.scheme import SCHEMES
from edgekit.verify.compare import sqnr_db
from edgekit.verify.predictor import predictor
from edgekit.verify.proof import prove

FORMAT = OnnxFormat()

# scheme -> dB that the small networks reach with room to spare (CNN, text)
FLOORS = {
    "fp32": (100, 100), "fp16": (55, 55), "w8a8-static": (30, 32), "w8a8-dynamic": (33, 35), "w8-weight-only": (34, 36),
    "w4-weight-only": (14, 14), "w8a16-static": (34, 36),
}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("onnx")


def exported(program, inputs, scheme: str, scratch: Path, **plan_settings):
    calibration = tuple(inputs(16)) if SCHEMES[scheme].needs_calibration else ()
    plan = QuantPlan(SCHEMES[scheme], observer="minmax", calibration=calibration, **plan_settings)
    path = scratch / program.input_names[0] / f"{scheme}.onnx"
    return FORMAT.export(program, plan, path, path.parent / "scratch"), plan, path


def fidelity(module, program, path: Path, inputs) -> float:
    predict = predictor(FORMAT.load(path), program.example, program.input_names)
    samples = inputs(16, seed=5)
    with torch.no_grad():
        wanted = np.concatenate([module(*x).numpy() for x in samples])
    found = sqnr_db(wanted, np.concatenate([predict(*x).numpy() for x in samples]))
    return float("inf") if found is None else found


def check(module, program, inputs, scheme, floor, scratch):
    artifact, plan, path = exported(program, inputs, scheme, scratch)
    assert fidelity(module, program, path, inputs) >= floor
    assert prove(FORMAT.graph(path), artifact, plan, FORMAT.supports()[scheme]) == []
    assert artifact.bytes == path.stat().st_size
    assert artifact.inputs[0].name == program.input_names[0]
    return artifact


@pytest.mark.parametrize("scheme", FLOORS)
def test_cnn(scheme, tiny_cnn, cnn_program, scratch):
    artifact = check(tiny_cnn, cnn_program, images, scheme, FLOORS[scheme][0], scratch)
    assert artifact.macs == 508352  # counted by hand from the layers; no scheme or fusion may lose any


@pytest.mark.parametrize("scheme", FLOORS)
def test_text(scheme, tiny_text, text_program, scratch):
    artifact = check(tiny_text, text_program, sentences, scheme, FLOORS[scheme][1], scratch)
    assert artifact.macs == 86016


def test_the_table_names_every_scheme_and_every_no_has_a_reason():
    assert set(FORMAT.supports()) == set(SCHEMES)
    assert all(cell.supported or cell.reason for cell in FORMAT.supports().values())
    assert {name for name, cell in FORMAT.supports().items() if cell.supported} == set(FLOORS)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_integer_borders_in_nhwc(dtype, tiny_cnn, cnn_program, tmp_path):
    artifact, _, path = exported(cnn_program, images, "w8a8-static", tmp_path, io=IoSpec(dtype, "nhwc"))
    given = artifact.inputs[0]
    assert (given.dtype, given.layout, given.shape) == (dtype, "nhwc", (1, 32, 32, 3))
    assert artifact.outputs[0].dtype == dtype
    assert artifact.outputs[0].quant is not None
    assert fidelity(tiny_cnn, cnn_program, path, images) >= 25
    assert "QLinearConv" in {op.name for op in FORMAT.graph(path).ops}


def test_integer_borders_need_static_scales(cnn_program, tmp_path):
    with pytest.raises(ConversionError) as caught:
        exported(cnn_program, images, "w8a8-dynamic", tmp_path, io=IoSpec("int8"))
    assert caught.value.code == "io-dtype"
    assert not list(tmp_path.rglob("w8a8-dynamic.onnx*"))


def test_static_without_calibration_is_refused(cnn_program, tmp_path):
    with pytest.raises(UsageError) as caught:
        FORMAT.export(cnn_program, QuantPlan(SCHEMES["w8a8-static"]), tmp_path / "m.onnx", tmp_path / "scratch")
    assert caught.value.code == "calibration-missing"


def test_options_are_refused_by_name(cnn_program, tmp_path):
    with pytest.raises(UsageError, match="backend"):
        exported(cnn_program, images, "fp32", tmp_path, options={"backend": "xnnpack"})


@pytest.mark.parametrize("scheme", ["w8a8-static", "w8a8-dynamic", "w8-weight-only"])
def test_keep_float_is_obeyed_and_reported(scheme, tiny_cnn, cnn_program, scratch, tmp_path):
    rule = FloatRule("tail", "conv", "kept float by the recipe", "recipe")
    artifact, plan, path = exported(cnn_program, images, scheme, tmp_path, keep_float=(rule,))
    dtypes = {op.source.module: c.dtype for op in FORMAT.graph(path).ops for c in op.constants
              if op.source and c.role == "weight"}
    assert (dtypes["tail.0"], dtypes["stem.0"], dtypes["head"]) == ("float32", "int8", "int8")
    kept = {k.where: k for k in artifact.kept_float}
    assert set(kept) == {"tail.0"}
    assert kept["tail.0"].bytes == 32 * 16 * 9 * 4
    assert 0 < kept["tail.0"].macs_share < 1
    assert prove(FORMAT.graph(path), artifact, plan, FORMAT.supports()[scheme]) == []


def test_dynamic_batch_runs_at_any_size(tiny_cnn, make_program, tmp_path):
    program = make_program(tiny_cnn, images(1, batch=2)[0], dynamic_batch=True)
    artifact, _, path = exported(program, lambda n: images(n, batch=1), "w8a8-static", tmp_path)
    assert artifact.inputs[0].shape[0] == artifact.outputs[0].shape[0] == "batch"
    session = FORMAT.load(path)
    for batch in (1, 5):
        assert session.run([images(1, batch=batch)[0][0].numpy()])[0].shape == (batch, 10)


def test_the_float_conversion_and_the_ranges_are_reused(cnn_program, tmp_path):
    exported(cnn_program, images, "w8a8-static", tmp_path)
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "x" / "scratch").iterdir()}
    exported(cnn_program, images, "w8a8-static", tmp_path, keep_float=(FloatRule("head", "*", "try", "widened"),))
    assert len(kept) == 2
    assert {p: p.stat().st_mtime_ns for p in kept} == kept


def test_one_export_twice_gives_the_same_bytes(cnn_program, tmp_path):
    first = exported(cnn_program, images, "w8a8-static", tmp_path / "a")[0]
    assert exported(cnn_program, images, "w8a8-static", tmp_path / "b")[0].sha256 == first.sha256

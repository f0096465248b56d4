"""Every cell of the TFLite column that says yes: exported, loaded, run and compared with the float model."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small_nets import images, program_of, sentences
from torch import nn

from edgekit.contracts import FloatRule, IoSpec, QuantPlan
from edgekit.errors import ConversionError, UsageError
from edgekit.formats.tflite.format import TfliteFormat
from edgekit.quantize.simulate import simulate
from edgekit.types.scheme import SCHEMES
from edgekit.verify.compare import sqnr_db
from edgekit.verify.predictor import predictor
from edgekit.verify.proof import prove

FORMAT = TfliteFormat()

# scheme -> dB that the small networks reach with room to spare (CNN, text)
FLOORS = {
    "fp32": (100, 100), "fp16": (60, 60), "w8a8-static": (30, 26), "w8a8-dynamic": (36, 36), "w8-weight-only": (36, 38),
    "w4-weight-only": (14, 17), "w8a16-static": (34, 28),
}


def exported(program, inputs, scheme: str, folder: Path, **settings):
    calibration = tuple(inputs(16)) if SCHEMES[scheme].needs_calibration else ()
    plan = QuantPlan(SCHEMES[scheme], observer=settings.pop("observer", "minmax"), calibration=calibration, **settings)
    path = folder / f"{scheme}-{plan.io.dtype}-{plan.io.layout}.tflite"
    return FORMAT.export(program, plan, path, folder / "scratch"), plan, path


def fidelity(module, program, path: Path, samples) -> float:
    predict = predictor(FORMAT.load(path), program.example, program.input_names)
    with torch.no_grad():
        wanted = np.concatenate([module(*x).numpy() for x in samples])
    found = sqnr_db(wanted, np.concatenate([predict(*x).numpy() for x in samples]))
    return float("inf") if found is None else found


def check(module, program, inputs, scheme, floor, folder, **settings):
    artifact, plan, path = exported(program, inputs, scheme, folder, **settings)
    assert fidelity(module, program, path, inputs(16, seed=5)) >= floor
    assert prove(FORMAT.graph(path), artifact, plan, FORMAT.supports()[scheme]) == []
    assert artifact.bytes == path.stat().st_size
    assert artifact.inputs[0].name == program.input_names[0]
    assert artifact.outputs[0].name == "logits"
    return artifact


@pytest.mark.parametrize("scheme", FLOORS)
def test_cnn(scheme, tiny_cnn, cnn_program, cnn_folder):
    artifact = check(tiny_cnn, cnn_program, images, scheme, FLOORS[scheme][0], cnn_folder)
    assert artifact.macs == 508352  # counted by hand from the layers; no scheme or fusion may lose any


def test_simulated_int4_is_what_tflite_computes(cnn_program, cnn_folder):
    _, plan, path = exported(cnn_program, images, "w4-weight-only", cnn_folder)
    session, run = FORMAT.load(path), simulate(cnn_program, plan)
    samples = images(8, seed=5)
    found = np.stack([session.run([x[0].numpy()])[0] for x in samples])
    assert sqnr_db(np.stack([run(x)[0].numpy() for x in samples]), found) > 80


@pytest.mark.parametrize("scheme", FLOORS)
def test_text(scheme, tiny_text, text_program, text_folder):
    artifact = check(tiny_text, text_program, sentences, scheme, FLOORS[scheme][1], text_folder)
    assert artifact.macs == 86016


def test_the_table_names_every_scheme():
    assert set(FORMAT.supports()) == set(SCHEMES)
    assert all((cell.supported and cell.covers) or cell.reason for cell in FORMAT.supports().values())


@pytest.mark.parametrize(("dtype", "layout"), [("int8", "nchw"), ("uint8", "nhwc"), ("float32", "nhwc")])
def test_integer_and_channels_last_borders(dtype, layout, tiny_cnn, cnn_program, cnn_folder):
    artifact = check(tiny_cnn, cnn_program, images, "w8a8-static", 28, cnn_folder, io=IoSpec(dtype, layout))
    spec = artifact.inputs[0]
    assert (spec.dtype, spec.layout) == (dtype, layout)
    assert spec.shape == ((1, 3, 32, 32) if layout == "nchw" else (1, 32, 32, 3))
    assert (spec.quant is not None) == (dtype != "float32")
    assert artifact.outputs[0].dtype == dtype
    assert artifact.outputs[0].layout is None


def test_integer_borders_need_integer_activations(cnn_program, cnn_folder):
    with pytest.raises(UsageError) as caught:
        exported(cnn_program, images, "w8a8-dynamic", cnn_folder, io=IoSpec("int8"))
    assert caught.value.code == "io-dtype"
    with pytest.raises(UsageError):
        exported(cnn_program, images, "w8a16-static", cnn_folder, io=IoSpec("uint8"))


def test_unknown_options_are_refused(cnn_program, cnn_folder):
    with pytest.raises(UsageError) as caught:
        exported(cnn_program, images, "fp32", cnn_folder, options={"backend": "coreml"})
    assert caught.value.code == "format-option"


def test_static_needs_calibration(cnn_program, cnn_folder, tmp_path):
    with pytest.raises(UsageError) as caught:
        FORMAT.export(cnn_program, QuantPlan(SCHEMES["w8a8-static"]), tmp_path / "x.tflite", cnn_folder / "scratch")
    assert caught.value.code == "calibration-missing"
    assert not list(tmp_path.glob("x.tflite*"))


@pytest.mark.parametrize("traced", [1, 2, 4])
def test_an_open_batch_computes_every_row_right(tiny_cnn, cnn_program, cnn_folder, tmp_path, traced):
    program = program_of(tiny_cnn, images(1, batch=traced)[0], dynamic_batch=True)
    alone, _, _ = exported(cnn_program, images, "fp32", cnn_folder)
    for scheme, floor in (("fp32", 100), ("w8a8-static", 28)):
        artifact, _, path = exported(program, images, scheme, tmp_path)
        assert artifact.inputs[0].shape == ("batch", 3, 32, 32)
        assert any("allocate_tensors" in note for note in artifact.notes)
        assert artifact.macs == alone.macs
        session = FORMAT.load(path)
        for batch in (1, 5):
            (image,) = images(1, batch=batch, seed=7)[0]
            wanted, (found,) = tiny_cnn(image).detach().numpy(), session.run([image.numpy()])
            assert all(sqnr_db(w, f) >= floor - 8 for w, f in zip(wanted, found, strict=True))


def test_an_open_batch_may_be_flattened_and_what_cannot_be_open_is_said(tmp_path):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)).eval()
    program = program_of(net, images(1)[0], dynamic_batch=True)
    _, _, path = exported(program, images, "fp32", tmp_path)
    (image,) = images(1, batch=3)[0]
    (found,) = FORMAT.load(path).run([image.numpy()])
    assert sqnr_db(net(image).detach().numpy(), found) > 100
    program = program_of(nn.Sequential(nn.Linear(32, 8), nn.LayerNorm(8)), images(1)[0],
                         dynamic_batch=True)
    with pytest.raises(ConversionError) as caught:
        exported(program, images, "fp32", tmp_path / "open")
    assert "dynamic_shapes()" in caught.value.next


def test_rules_keep_layers_float(tiny_cnn, cnn_program, cnn_folder):
    rules = (FloatRule("tail", "*", "asked for", "recipe"), FloatRule("excite", "conv", "gate", "widened", "conv2d_2"))
    artifact, plan, path = exported(cnn_program, images, "w8a8-static", cnn_folder, keep_float=rules)
    graph = FORMAT.graph(path)
    convs = {op.source.module: op.dtype for op in graph.ops if op.kind == "conv"}
    assert convs["tail.0"] == convs["excite.reduce"] == "float32"
    assert convs["project.0"] == convs["excite.expand"] == "int8"
    (tail,) = [kept for kept in artifact.kept_float if kept.where == "tail.0" and kept.op == "CONV_2D"]
    assert tail.reason == "asked for"
    assert tail.bytes == 4 * 32 * 16 * 9
    assert 0.5 < tail.macs_share < 0.7
    assert prove(graph, artifact, plan, FORMAT.supports()["w8a8-static"]) == []


def test_tied_weights_in_two_forms(tiny_text, text_program, text_folder):
    rules = (FloatRule("out", "linear", "asked for", "recipe"),)
    artifact = check(tiny_text, text_program, sentences, "w8a8-static", 26, text_folder, keep_float=rules)
    assert [kept.where for kept in artifact.kept_float if kept.bytes] == ["out"]

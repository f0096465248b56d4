"""What is read back from a .tflite: operators, sources, MACs, constants, placement, values, and damaged files."""

import contextlib
import random

import numpy as np
import pytest
import torch
from small_nets import images

from edgekit.contracts import QuantPlan
from edgekit.errors import EdgekitError, UsageError
from edgekit.formats.tflite.format import TfliteFormat
from edgekit.formats.tflite.naming import base_of, label, node_of, source_of, stack_entry, tags_of
from edgekit.types.kinds import KINDS
from edgekit.types.scheme import SCHEMES

FORMAT = TfliteFormat()


@pytest.fixture(scope="module")
def files(cnn_program, cnn_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("graph")
    for scheme in ("fp32", "w8a8-static", "w8-weight-only"):
        FORMAT.export(cnn_program, QuantPlan(SCHEMES[scheme], "minmax", tuple(images(4))), folder / f"{scheme}.tflite",
                      cnn_folder / "scratch")
    return folder


def test_every_operator_knows_its_module(files):
    graph = FORMAT.graph(files / "fp32.tflite")
    assert all(op.source is not None for op in graph.ops)
    weighted = {op.source.module: op.kind for op in graph.ops if op.macs}
    assert weighted == {"stem.0": "conv", "depthwise.0": "depthwise_conv", "excite.reduce": "conv",
                        "excite.expand": "conv", "project.0": "conv", "tail.0": "conv", "head": "linear"}
    assert {op.kind for op in graph.ops} <= set(KINDS)
    (head,) = [op for op in graph.ops if op.kind == "linear"]
    assert head.outputs == ("head::linear",)
    assert [(c.name, c.role, c.shape) for c in head.constants] == [
        ("head::linear.weight", "weight", (10, 32)), ("head::linear.bias", "bias", (10,))]


def test_weights_are_found_behind_a_dequantize(files):
    graph = FORMAT.graph(files / "w8-weight-only.tflite")
    weights = [c for op in graph.ops for c in op.constants if c.role == "weight"]
    assert {c.dtype for c in weights} == {"int8"}
    assert sum(c.bytes for c in weights) == 5888
    assert all(op.dtype == "float32" for op in graph.ops if op.macs)


def test_placement_is_what_the_runtime_did(files):
    float_ops = FORMAT.graph(files / "fp32.tflite")
    assert float_ops.macs_delegated_share == 1.0
    assert all(op.delegated and op.processor == "xnnpack" for op in float_ops.ops)
    (left,) = [op for op in FORMAT.graph(files / "w8a8-static.tflite").ops if not op.delegated]
    assert left.name == "HARD_SWISH"
    assert "int8" in left.reason


def test_layers_come_in_order_and_dequantised(files, tiny_cnn):
    (image,) = images(1, seed=3)[0]
    exact = {v.name: v for v in FORMAT.load(files / "fp32.tflite").layers([image.numpy()])}
    session = FORMAT.load(files / "w8a8-static.tflite")
    values = session.layers([image.numpy()])
    assert all(v.value.dtype == np.float32 for v in values)
    assert values[-1].name.startswith("head::linear")
    np.testing.assert_allclose(values[-1].value, session.run([image.numpy()])[0], atol=0.05)
    stem = next(v for v in values if v.source and v.source.module == "stem.0" and v.kind == "conv")
    np.testing.assert_allclose(stem.value, exact[stem.name].value, atol=0.1)
    with torch.no_grad():
        wanted = tiny_cnn.stem(image).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(exact[stem.name].value, wanted, atol=1e-4)


def test_inputs_that_do_not_fit_are_named(files):
    session = FORMAT.load(files / "fp32.tflite")
    for wrong in ([], [np.zeros((1, 3, 31, 32), np.float32)], [np.zeros((1, 3, 32, 32), np.float64)]):
        with pytest.raises(UsageError) as caught:
            session.run(wrong)
        assert caught.value.code == "artifact-inputs"


def test_damaged_files_are_errors_not_crashes(files, tmp_path):
    whole, chance = (files / "fp32.tflite").read_bytes(), random.Random(0)
    path = tmp_path / "damaged.tflite"
    with pytest.raises(UsageError) as caught:
        FORMAT.graph(path)
    assert caught.value.code == "artifact-missing"
    refused = 0
    for turn in range(40):
        data = bytearray(whole)
        if turn % 2:
            del data[chance.randrange(len(data)):]
        else:
            for _ in range(8):
                data[chance.randrange(2000)] = chance.randrange(256)
        path.write_bytes(data)
        with contextlib.suppress(EdgekitError):  # any other error, or a crash, fails the test
            FORMAT.graph(path)
            continue
        refused += 1
    assert refused >= 20  # all truncated ones, and those whose structure was hit


def test_names():
    tags = tags_of(f"ek/ek_blocks:0:act|relu;;ek/{stack_entry('blocks.0.conv', 'conv2d_1')['ek'][0]};2")
    assert tags == [("blocks.0.act", "relu")]
    name = "ek/ek_blocks:0:act|relu;;ek/ek_blocks:0:conv|conv2d_1;2"
    assert base_of(tags_of(name), "CONV_2D") == ("blocks.0.conv", "conv2d_1")
    assert source_of(label("blocks.0.conv", "conv2d_1", "weight")).module == "blocks.0.conv"
    assert node_of("blocks.0.conv::conv2d_1:3_quantized") == "conv2d_1"
    assert node_of("blocks.0.conv::conv2d_1_dequant") == "conv2d_1"
    scope = "app.Net/torch.nn.modules.container.Sequential_blocks/app.Block_0/torch.nn.modules.conv.Conv2d_pw;2"
    assert source_of(scope).module == "blocks.0.pw"
    assert source_of("serving_default_args_0") is None

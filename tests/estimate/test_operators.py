"""Which kernel an operator of an artifact counts as, and its sizes."""

from __future__ import annotations

from edgekit.estimate.operators import kernel_of, operators_of
from edgekit.types.graph import Constant, Op, OpGraph
from edgekit.types.kinds import KINDS
from edgekit.types.tensor import TensorSpec


def spec(name: str, *shape: int, dtype: str = "float32") -> TensorSpec:
    return TensorSpec(name=name, shape=shape, dtype=dtype)


def weight(*shape: int, dtype: str = "float32", size: int = 4, name: str = "w") -> Constant:
    count = 1
    for d in shape:
        count *= d
    return Constant(name=name, shape=shape, dtype=dtype, bytes=count * size)


def graph(*ops: Op, tensors: tuple[TensorSpec, ...], format: str = "tflite") -> OpGraph:  # noqa: A002
    return OpGraph(format=format, ops=ops, tensors={t.name: t for t in tensors}, inputs=tensors[:1],
                   outputs=tensors[-1:])


def conv(kind: str, shape: tuple[int, ...], macs: int, dtype: str = "float32", stored: str = "float32",
         inputs: tuple[str, ...] = ("x", "w")) -> Op:
    size = 1 if stored == "int8" else 2 if stored == "float16" else 4
    return Op(index=0, kind=kind, name="CONV_2D", inputs=inputs, outputs=("y",), dtype=dtype, macs=macs,
              constants=(weight(*shape, dtype=stored, size=size),), processor="xnnpack")


def only(op: Op, x: TensorSpec, y: TensorSpec, format: str = "tflite") -> tuple[str, float, float, float]:  # noqa: A002
    (_, found), = operators_of(graph(op, tensors=(x, y), format=format))
    return found.kernel, found.macs, found.input_bytes, found.weight_bytes


def test_every_kind_has_a_kernel() -> None:
    assert all(kernel_of(kind) for kind in KINDS)


def test_convolutions_by_their_windows() -> None:
    x, y = spec("x", 1, 8, 8, 16), spec("y", 1, 8, 8, 32)
    assert only(conv("conv", (32, 1, 1, 16), 32768), x, y) == ("gemm.float32", 32768, 4096, 2048)
    assert only(conv("conv", (32, 3, 3, 16), 294912), x, y)[0] == "conv.float32"
    assert only(conv("conv", (32, 3, 3, 3), 55296), spec("x", 1, 8, 8, 3), y)[0] == "image.float32"
    assert only(conv("conv", (36, 1, 1, 16), 36864), x, spec("y", 1, 8, 8, 36))[0] == "gemm_odd.float32"
    assert only(conv("depthwise_conv", (1, 5, 5, 16), 25600), x, x)[0] == "depthwise5x5.float32"
    assert only(conv("depthwise_conv", (1, 7, 7, 16), 50176), x, x)[0] == "depthwise.float32"
    onnx = conv("conv", (32, 16, 1, 1), 32768, inputs=("x",))
    assert only(onnx, spec("x", 1, 16, 8, 8), spec("y", 1, 32, 8, 8), "onnx")[0] == "gemm.float32"


def test_one_row_reads_every_weight_once() -> None:
    x, y = spec("x", 1, 1, 1, 16), spec("y", 1, 1, 1, 32)
    assert only(conv("conv", (32, 1, 1, 16), 512), x, y)[0] == "linear.float32"


def test_dtypes() -> None:
    x8, y8 = spec("x", 1, 8, 8, 16, dtype="int8"), spec("y", 1, 8, 8, 24, dtype="int8")
    # a tile of 16 output channels costs as much where only 8 of it are wanted
    assert only(conv("conv", (24, 1, 1, 16), 24576, "int8", "int8"), x8, y8) == ("gemm.int8", 32768, 1024, 384)
    x, y = spec("x", 1, 8, 8, 16), spec("y", 1, 8, 8, 32)
    assert only(conv("conv", (32, 1, 1, 16), 32768, stored="int8"), x, y) == ("gemm.int8d", 32768, 4096, 512)


def test_weights_that_are_unpacked_at_loading_are_read_as_floats() -> None:
    unpack = Op(index=0, kind="dequantize", name="DEQUANTIZE", inputs=("w",), outputs=("wide",), dtype="float16")
    op = conv("conv", (32, 1, 1, 16), 32768, stored="float16", inputs=("x", "wide"))
    x, y = spec("x", 1, 8, 8, 16), spec("y", 1, 8, 8, 32)
    (_, found), = operators_of(graph(unpack, op, tensors=(x, spec("w", 32, 1, 1, 16, dtype="float16"),
                                                          spec("wide", 32, 1, 1, 16), y)))
    assert (found.kernel, found.weight_bytes, found.inputs) == ("gemm.float32", 2048, 1024)


def test_views_cost_nothing_where_nothing_is_copied() -> None:
    op = Op(index=0, kind="reshape", name="Reshape", inputs=("x",), outputs=("y",), dtype="float32")
    tensors = (spec("x", 4, 4), spec("y", 16))
    assert operators_of(graph(op, tensors=tensors, format="onnx")) == []
    (_, copied), = operators_of(graph(op.model_copy(update={"name": "RESHAPE", "processor": "builtin"}),
                                      tensors=tensors))
    assert copied.kernel == "copy.float32.builtin"


def test_zeros_that_a_convolution_adds_as_it_reads() -> None:
    pad = Op(index=0, kind="pad", name="PAD", inputs=("x", "by"), outputs=("wide",), dtype="float32",
             processor="xnnpack")
    op = conv("depthwise_conv", (1, 3, 3, 16), 9216, inputs=("wide", "w"))
    tensors = (spec("x", 1, 8, 8, 16), spec("wide", 1, 10, 10, 16), spec("y", 1, 8, 8, 16))
    (_, found), = operators_of(graph(pad, op, tensors=tensors))
    assert (found.kernel, found.inputs) == ("depthwise3x3.float32", 1024)
    builtin = pad.model_copy(update={"processor": "builtin"})
    assert [o.kernel for _, o in operators_of(graph(builtin, op, tensors=tensors))] == [
        "pad.float32.builtin", "depthwise3x3.float32"]


def test_quantising_costs_the_same_either_way() -> None:
    wide, narrow = spec("x", 64), spec("y", 64, dtype="int8")
    for kind, x, y in (("quantize", wide, narrow), ("dequantize", narrow, wide)):
        op = Op(index=0, kind=kind, name=kind, inputs=(x.name,), outputs=(y.name,), dtype=x.dtype, processor="xnnpack")
        assert only(op, x, y)[0] == "quantize.float32"


def test_arithmetic_by_its_operands() -> None:
    def add(*inputs: str) -> Op:
        return Op(index=0, kind="add", name="ADD", inputs=inputs, outputs=("y",), dtype="float32", processor="xnnpack")

    def found(op: Op, *tensors: TensorSpec) -> tuple[str, float]:
        made = OpGraph(format="tflite", ops=(op,), tensors={t.name: t for t in tensors}, inputs=tensors[:-1],
                       outputs=tensors[-1:])
        (_, one), = operators_of(made)
        assert one.macs == 0
        return one.kernel, one.calls

    a, b, gate, y = spec("a", 1, 4, 8), spec("b", 1, 4, 8), spec("gate", 1, 1, 8), spec("y", 1, 4, 8)
    assert found(add("a", "b"), a, b, y) == ("arithmetic.float32", 0)
    assert found(add("a", "gate"), a, gate, y) == ("broadcast.float32", 4)
    one = spec("one", 1, 4, 1)
    assert found(add("a", "one"), a, one, y) == ("broadcast.float32", 4)
    assert found(add("a", "c"), a, y) == ("arithmetic_constant.float32", 0)


def test_turning_rows_or_values() -> None:
    op = Op(index=0, kind="transpose", name="TRANSPOSE", inputs=("x",), outputs=("y",), dtype="float32",
            processor="xnnpack")
    assert only(op, spec("x", 1, 2, 3, 4), spec("y", 1, 3, 2, 4))[0] == "transpose_rows.float32"
    assert only(op, spec("x", 1, 2, 3, 4), spec("y", 1, 4, 2, 3))[0] == "transpose.float32"


def test_int8_functions_of_one_value_are_one_table() -> None:
    x, gate, y = (spec(name, 1, 4, 8, dtype="int8") for name in ("x", "gate", "y"))
    sigmoid = Op(index=0, kind="sigmoid", name="LOGISTIC", inputs=("x",), outputs=("gate",), dtype="int8",
                 processor="xnnpack")
    product = Op(index=1, kind="mul", name="MUL", inputs=("x", "gate"), outputs=("y",), dtype="int8",
                 processor="xnnpack")
    (op, found), = operators_of(graph(sigmoid, product, tensors=(x, gate, y)))
    assert (op, found.kernel, found.inputs) == (product, "table.int8", 32)
    floats = (t.model_copy(update={"dtype": "float32"}) for t in (x, gate, y))
    made = graph(*(op.model_copy(update={"dtype": "float32"}) for op in (sigmoid, product)), tensors=tuple(floats))
    assert [o.kernel for _, o in operators_of(made)] == ["transcendental.float32", "arithmetic.float32"]


def onnx(kind: str, shape: tuple[int, ...], macs: int, x: TensorSpec, y: TensorSpec, stored: str = "float32",
         dtype: str = "float32") -> tuple[str, float]:
    op = conv(kind, shape, macs, dtype, stored, inputs=("x",)).model_copy(update={"processor": "cpu"})
    return only(op, x, y, "onnx")[:2]


def test_onnx_runtime_has_kernels_of_its_own() -> None:
    x, y, half = spec("x", 1, 16, 8, 8), spec("y", 1, 16, 8, 8), spec("y", 1, 16, 4, 4)
    # a product of the filters with one column, not of a row with the matrix
    one, many = spec("x", 1, 16, 1, 1), spec("y", 1, 32, 1, 1)
    assert onnx("conv", (32, 16, 1, 1), 512, one, many)[0] == "pixel.float32"
    assert onnx("linear", (16, 32), 512, spec("x", 1, 16), spec("y", 1, 32))[0] == "linear.float32"
    # a call for each channel; with a stride, windows are laid out first
    assert onnx("depthwise_conv", (16, 1, 3, 3), 9216, x, y) == ("depthwise3x3.float32", 9216)
    assert onnx("depthwise_conv", (16, 1, 3, 3), 2304, x, half)[0] == "depthwise3x3_strided.float32"
    call = conv("depthwise_conv", (16, 1, 3, 3), 9216, inputs=("x",))
    (_, found), = operators_of(graph(call, tensors=(x, y), format="onnx"))
    assert (found.calls, found.inputs, found.outputs, found.input_bytes) == (16, 0, 1024, 4096)
    # sums that other operators scale
    sums, bytes_ = spec("y", 1, 32, 8, 8, dtype="int32"), spec("x", 1, 16, 8, 8, dtype="uint8")
    assert onnx("conv", (32, 16, 1, 1), 32768, bytes_, sums, "int8", "int8")[0] == "gemm.int32"


def test_onnx_runtime_quantises_and_back_at_different_cost() -> None:
    wide, narrow = spec("x", 64), spec("y", 64, dtype="uint8")
    for kind, x, y in (("quantize", wide, narrow), ("dequantize", narrow, wide)):
        op = Op(index=0, kind=kind, name=kind, inputs=(x.name,), outputs=(y.name,), dtype=x.dtype)
        assert only(op, x, y, "onnx")[0] == f"{kind}.float32"


def test_rows_of_the_result_are_counted_where_kernels_go_by_rows() -> None:
    op = Op(index=0, kind="slice", name="Slice", inputs=("x",), outputs=("y",), dtype="float32")
    (_, found), = operators_of(graph(op, tensors=(spec("x", 1, 4, 8, 8), spec("y", 1, 4, 8, 6)), format="onnx"))
    assert (found.kernel, found.calls, found.macs) == ("slice.float32", 32, 0)


def test_recurrent_weights_are_gone_through_at_each_step() -> None:
    op = Op(index=0, kind="rnn", name="GRU", inputs=("x",), outputs=("y",), dtype="float32", macs=20 * 960,
            constants=(weight(1, 24, 12, size=4, name="w"), weight(1, 24, 28, size=4, name="r")))
    x, y = spec("x", 20, 1, 12), spec("y", 20, 1, 1, 8)
    (_, found), = operators_of(graph(op, tensors=(x, y), format="onnx"))
    assert (found.kernel, found.rows, found.inputs, found.calls) == ("rnn.float32", 20, 240, 0)
    stored = op.model_copy(update={"constants": tuple(c.model_copy(update={"dtype": "int8", "bytes": c.bytes // 4})
                                                      for c in op.constants)})
    (_, unpacked), = operators_of(graph(stored, tensors=(x, y), format="onnx"))
    assert (unpacked.kernel, unpacked.rows, unpacked.calls, unpacked.weight_bytes) == ("rnn.int8w", 20, 960, 960)

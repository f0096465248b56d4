"""The proof refuses what is not what was asked, and takes named exceptions."""

from edgekit.contracts import FloatRule, QuantPlan
from edgekit.types.artifact import Artifact, KeptFloat
from edgekit.types.graph import Constant, Op, OpGraph, Source
from edgekit.types.scheme import SCHEMES, SchemeSupport
from edgekit.verify.proof import prove

SUPPORT = SchemeSupport(format="onnx", scheme="w8a8-static", supported=True, covers=("conv", "linear"))


def _op(module: str, weight_dtype: str, dtype: str = "int8") -> Op:
    return Op(index=0, kind="conv", name="Conv", inputs=("x",), outputs=("y",), dtype=dtype, macs=10,
              constants=(Constant(name=f"{module}.w", shape=(2, 2), dtype=weight_dtype, bytes=4),
                         Constant(name=f"{module}.b", shape=(2,), dtype="int32", bytes=8, role="bias")),
              source=Source(module=module))


def _prove(*ops: Op, kept=(), rules=(), scheme="w8a8-static") -> list[str]:
    graph = OpGraph(format="onnx", ops=ops, tensors={}, inputs=(), outputs=())
    artifact = Artifact(format="onnx", path="m.onnx", sha256="", bytes=1, compressed_bytes=1, scheme=scheme,
                        backend="cpu", runtime="ort", inputs=(), outputs=(), macs=10, weight_bytes_by_dtype={},
                        macs_delegated_share=1.0, kept_float=kept)
    return prove(graph, artifact, QuantPlan(SCHEMES[scheme], keep_float=rules), SUPPORT)


def test_all_quantized_is_proven():
    assert _prove(_op("a", "int8"), _op("b", "int8")) == []


def test_a_float_weight_is_named_with_its_module():
    (problem,) = _prove(_op("a", "int8"), _op("head", "float32"))
    assert "head" in problem
    assert "float32" in problem


def test_int8_weights_with_float_compute_is_not_static():
    (problem,) = _prove(_op("a", "int8", dtype="float32"))
    assert "computes in float32" in problem


def test_named_exceptions_are_taken():
    wrong = _op("head", "float32", dtype="float32")
    assert _prove(_op("a", "int8"), wrong, kept=(KeptFloat(op="Conv", where="head", reason="widened"),)) == []
    assert _prove(_op("a", "int8"), wrong, rules=(FloatRule("head", "*", "recipe", "recipe"),)) == []


def test_an_exception_names_its_operator_only():
    attention = [_op("attn", "float32", dtype="float32"), _op("", "float32", dtype="float32")]
    kept = [KeptFloat(op="matmul", where=where, reason="widened") for where in ("attn", "")]
    assert len(_prove(_op("a", "int8"), *attention, kept=kept)) == 4
    assert _prove(_op("a", "int8"), *attention, kept=[k.model_copy(update={"op": "conv"}) for k in kept]) == []


def test_nothing_covered_means_nothing_was_quantized():
    op = _op("a", "int8").model_copy(update={"kind": "embedding"})
    (problem,) = _prove(op)
    assert "nothing was quantised" in problem

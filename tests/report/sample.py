"""A report as an export makes it, with everything in it that can happen."""

from edgekit.types.artifact import Artifact, KeptFloat, NotDelegated
from edgekit.types.budget import BudgetLine
from edgekit.types.estimate import DeviceEstimate, LatencyParts, OperatorShare
from edgekit.types.fidelity import Fidelity
from edgekit.types.latency import Latency, Memory
from edgekit.types.measurement import Fit
from edgekit.types.report import ArtifactReport, ExportReport, FormatFailure, PassReport, StageRecord
from edgekit.types.tensor import QuantParams, TensorSpec


def fidelity(sqnr_db=24.31, artifact=97.55):
    return Fidelity(inputs=32, input_source="calibration", sqnr_db=sqnr_db, cosine=0.99812, max_abs=0.41,
                    top1_agreement=0.96875, metric_float=97.83, metric_artifact=artifact, metric_name="accuracy",
                    metric_unit="%", metric_higher_is_better=True)


def artifact(name, suffix, size, **more):
    image = TensorSpec(name="image", shape=(1, 3, 64, 64), dtype="int8", layout="nhwc",
                       quant=QuantParams(scale=(0.0078125,), zero_point=(-3,)))
    fields = {"backend": "xnnpack", "macs": 27_340_000, "macs_delegated_share": 1.0,
              "weight_bytes_by_dtype": {"float32": 40_000, "int8": 1_120_000}} | more
    return Artifact(format=name, path=f"model{suffix}", sha256="ab" * 32, bytes=size, compressed_bytes=int(size * 0.8),
                    scheme="w8a8-static", runtime=f"{name} runtime 1.0", inputs=(image,),
                    outputs=(TensorSpec(name="logits", shape=(1, 10), dtype="float32"),), **fields)


def estimate(latency):
    return DeviceEstimate(
        device="pixel-8", core="cortex-x3", latency=latency, counts=None,
        parts=LatencyParts(compute_ms=3, memory_ms=1.01, overhead_ms=0.2, bound_by="compute"),
        operators=(OperatorShare(index=0, name="Conv", kind="conv", dtype="int8", module="stem", share=1,
                                 bound_by="compute"),),
        memory=Memory(kind="predicted", peak_bytes=3_200_000),
        fit=Fit(needs_bytes=3_200_000, budget_bytes=512_000_000, fits=True),
        facts={"cluster": "1 x cortex-x3 at 2.91 GHz", "kernels_not_counted": "sort.float32 as elementwise.float32"})


def sample_report():
    kept = KeptFloat(op="softmax", where="blocks.3.attention", reason="long softmax loses attention", bytes=4096,
                     macs=546_800, macs_share=0.02)
    behind = tuple(NotDelegated(op="aten.cumsum", where=f"head.{i}", reason="no XNNPACK kernel") for i in range(5))
    state = KeptFloat(op="add", where="rnn", reason="rounding adds up over the steps")
    onnx = artifact("onnx", ".onnx", 1_250_000, backend="cpu", kept_float=(kept,), notes=("QDQ, opset 23",))
    pte = artifact("executorch", ".pte", 14_300_000, macs_delegated_share=0.941, not_delegated=behind,
                   kept_float=(state, state))
    predicted = Latency(kind="predicted", tier="analytic", ms=4.21, low_ms=3.1, high_ms=5.9, device="pixel-8",
                        processor="cpu", threads=1, runtime="onnxruntime 1.31.1")
    measured = Latency(kind="measured", tier=None, ms=6.5, low_ms=6.4, high_ms=7.2, device="host", processor="cpu",
                       threads=2, runtime="onnxruntime 1.31.1")
    return ExportReport(
        workload={"name": "digits_<mobilenet>", "source": "examples/digits_mobilenet.py", "hash": "f00d",
                  "parameters": 2_236_682, "labels": None},
        recipe={"name": "pixel-8-cpu-int8", "quantize": {"scheme": "w8a8-static", "keep_float": []}},
        device={"id": "pixel-8", "name": "Google Pixel 8"},
        passes=(PassReport(name="structured", settings={"ratio": 0.3},
                           changed={"macs_before": 50_000_000.0, "macs_after": 27_340_000.0, "epochs": 3.0}),),
        artifacts=(ArtifactReport(artifact=onnx, fidelity=fidelity(), latencies=(predicted, measured),
                                  memory=(Memory(kind="predicted", peak_bytes=3_200_000),),
                                  estimate=estimate(predicted)),
                   ArtifactReport(artifact=pte, fidelity=fidelity(sqnr_db=None, artifact=97.83))),
        failures=(FormatFailure(format="tflite", error={
            "code": "child-crashed", "message": "tflite export crashed (SIGSEGV)", "where": "log.txt",
            "cause": "its last words: <native> [tflite]", "next": "read the log"}),),
        stages=(StageRecord(name="capture", seconds=2.5, cached=False, peak_rss_bytes=700_000_000),
                StageRecord(name="export:onnx", seconds=0.1, cached=True, peak_rss_bytes=900_000_000)),
        budget=(BudgetLine(name="min_sqnr_db", artifact="onnx", limit=15, value=24.31, unit="dB", met=True),
                BudgetLine(name="size_mb", artifact="onnx", limit=4, value=1.25, unit="MB (10^6 bytes)", met=True),
                BudgetLine(name="size_mb", artifact="executorch", limit=4, value=14.3, unit="MB (10^6 bytes)",
                           met=False),
                BudgetLine(name="latency_ms", artifact="onnx", limit=12, value=None, unit="ms", met=None,
                           note="no latency estimate for this device yet")),
        tools={"torch": "2.13.0", "edgekit": "0.1.0"}, warnings=("labels() has [9] names for 10 outputs",),
        exit_status=3)

import io

import pytest
from rich.console import Console
from sample import sample_report

from edgekit.report.terminal import print_report


def printed(report, width=220):
    out = io.StringIO()
    print_report(report, Console(file=out, width=width))
    return out.getvalue()


@pytest.fixture(scope="module")
def text():
    return printed(sample_report())


@pytest.mark.parametrize("fact", [
    "digits_<mobilenet>, 2.24 M parameters, recipe pixel-8-cpu-int8, device pixel-8",
    "structured: macs 50 M → 27.34 M (-45.3 %); epochs 3",
    "1.250 MB", "1.000 MB compressed", "14.3 MB",
    "int8 1.120 MB (97%)", "float32 0.040 MB (3%)",
    "27.34 M", "94.1 %", "24.3 dB", "exactly equal",
    "accuracy 97.83 → 97.55 %",
    "kept float: softmax at blocks.3.attention (0.004 MB, 2.0 % of MACs): long softmax loses attention",
    "kept float: add x 2 at rnn (0.000 MB, 0.0 % of MACs): rounding adds up over the steps",
    "not delegated: aten.cumsum at head.0, head.1, head.2, ... and 2 more: no XNNPACK kernel",
    "4.21 ms predicted (90 % interval 3.1 to 5.9 ms, analytic) on pixel-8 cpu, 1 thread, onnxruntime 1.31.1",
    "6.5 ms measured (p10 to p90 6.4 to 7.2 ms) on host cpu, 2 threads",
    "3.200 MB peak, predicted", "kernels that nobody counted: sort.float32 as elementwise.float32",
    "MISSED size_mb", "verified", "not evaluated", "no latency estimate for this device yet", "MB (10^6 bytes)",
    "tflite failed: tflite export crashed (SIGSEGV)  [child-crashed]",
    "cause  its last words: <native> [tflite]", "next   read the log",
    "warning: labels() has [9] names for 10 outputs",
    "a format could not be made as asked; 1 budget was not evaluated (latency_ms) (exit status 3)",
])
def test_facts_are_printed(text, fact):
    assert fact in text


def test_a_missed_budget_is_not_verified(text):
    row = next(line for line in text.splitlines() if line.strip().startswith("executorch"))
    assert "MISSED" in row
    assert "verified" not in row


def test_narrow_terminal_shows_one_column_an_artifact():
    lines = [line.rstrip() for line in printed(sample_report(), 80).splitlines()]
    row = next(line for line in lines if line.strip().startswith("status"))
    assert "verified" in row
    assert "MISSED size_mb" in row
    tables = lines[lines.index("Artifacts"):next(i for i, line in enumerate(lines) if line.startswith("  onnx:"))]
    assert max(map(len, tables)) <= 80

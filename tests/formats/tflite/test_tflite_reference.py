"""TensorFlow's interpreter as a second opinion: asked for real where `make test` has put TensorFlow.

It stands in a folder of its own: beside the converters it would change what they import.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import EnvironmentProblem
from edgekit.formats.tflite.reference import run_reference

TENSORFLOW = Path(sys.prefix) / "tensorflow"
needs_tensorflow = pytest.mark.skipif(
    not TENSORFLOW.is_dir(), reason="no TensorFlow beside the environment; `make test` puts it there")


def _output(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=600,
                          env={**os.environ, "PYTHONPATH": str(TENSORFLOW)}).stdout


@pytest.mark.slow
@needs_tensorflow
def test_both_interpreters_agree(exported):
    command = str(Path(sys.executable).with_name("edgekit"))
    found = json.loads(_output(command, "verify", str(exported.out / "model.tflite"), "--against",
                               str(exported.workload), "--reference", "tensorflow", "--json"))
    assert found["reference"] == "tensorflow"
    assert 0 <= found["reference_max_abs"] < 0.5 * found["fidelity"]["max_abs"] + 0.1


@pytest.mark.slow
@needs_tensorflow
def test_a_difference_is_seen(exported):
    code = """
import sys
from pathlib import Path
import numpy as np
from edgekit.formats.tflite.format import TfliteFormat
from edgekit.formats.tflite.reference import compare_outputs
path = Path(sys.argv[1])
session = TfliteFormat().load(path)
inputs = [np.zeros(s.shape, s.dtype) for s in session.inputs]
outputs = session.run(inputs)
print(compare_outputs(path, inputs, outputs), compare_outputs(path, inputs, [o + 3 for o in outputs]))
"""
    same, other = map(float, _output(sys.executable, "-c", code, str(exported.out / "model.tflite")).split())
    assert same < 0.5
    assert other - same > 2


def test_it_is_an_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(EnvironmentProblem) as caught:
        run_reference(tmp_path / "x.tflite", [np.zeros(1, np.float32)])
    assert "edgekit[tensorflow]" in caught.value.next

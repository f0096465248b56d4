"""Each adapter takes and gives the types that `edgekit bundle` lets through, and no others."""

from __future__ import annotations

import re

import pytest
from compile_check import DEMO

from edgekit.bundle.runtimes import RUNTIMES

_NUMPY = {"FLOAT": "float32", "DOUBLE": "float64", "HALF": "float16"}  # ExecuTorch's names that are not numpy's


@pytest.mark.parametrize("name", RUNTIMES)
def test_an_adapter_has_the_types_of_the_table(name: str) -> None:
    """By the source: the DTypes before the arrows of each `when`, and those of a set, must all be the table's.

    An `else` throws. A type that a `when` only refuses by its name would count as taken, so none may do that.
    """
    source = (DEMO / f"app/src/{RUNTIMES[name].flavor.name}/kotlin/dev/edgekit/demo/Runtime.kt").read_text()
    branches = re.findall(r"when \([^\n]*\) \{\n(.*?)\n {0,8}\}", source, re.DOTALL)
    branches += re.findall(r"setOf\((.*?)\)", source, re.DOTALL)
    assert len(branches) == {"tflite": 3, "executorch": 2, "onnx": 1}[name]  # giving, taking; LiteRT's set
    for branch in branches:
        arrows = "\n".join(line.partition("->")[0] for line in branch.splitlines())
        named = re.findall(r"\b(?:DType|TorchType)\.([A-Z0-9]+)", arrows)
        assert len(named) == len(set(named))
        assert {_NUMPY.get(one, one.lower()) for one in named} == RUNTIMES[name].dtypes
        assert all("throw" in line for line in branch.splitlines() if line.strip().startswith("else"))
        assert not any("throw" in line for line in branch.splitlines() if "Type." in line)

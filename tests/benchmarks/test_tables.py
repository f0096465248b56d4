"""The figures in the documentation are those of the committed results."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("script", ["tables.py", "estimate_errors.py"])
def test_the_pages_show_the_committed_results(script):
    run = subprocess.run([sys.executable, str(ROOT / "benchmarks" / script), "--check"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_results_say_what_was_measured_and_where():
    results = sorted((ROOT / "benchmarks" / "results").glob("*.json"))
    assert results
    for file in results:
        document = json.loads(file.read_text())
        assert document["schema"] == "edgekit/benchmark/1"
        assert document["benchmark"] == file.stem
        assert document["claims"]
        assert document["rows"]
        assert {"cpu", "cores", "date", "sources"} <= document["machine"].keys()

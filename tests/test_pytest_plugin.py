"""The fixtures that edgekit gives users' tests, in pytest runs of their own."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from workloads import Exported

DOCS = Path(__file__).resolve().parents[1] / "docs" / "testing.md"
TEST = """
import pytest
@pytest.mark.emulated("raspberry-pi-5")
def test_artifact(device):
    device.run("model.tflite").assert_instructions_within_baseline()
"""
UPDATE = "--edgekit-update-baselines"


@pytest.fixture
def project(pytester: pytest.Pytester, exported: Exported) -> pytest.Pytester:
    """A user's folder with an exported artifact."""
    shutil.copy(exported.out / "model.tflite", pytester.path / "model.tflite")
    return pytester


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, timeout=300)


@pytest.mark.slow
def test_the_documented_example(pytester: pytest.Pytester, exported: Exported) -> None:
    code = re.search(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert code is not None
    pytester.makepyfile(test_on_device=code[1])
    shutil.copytree(exported.out, pytester.path / "dist" / "digits")
    missing = run(pytester)
    missing.assert_outcomes(passed=1, failed=2)
    missing.stdout.fnmatch_lines([f"*no baseline is stored in *edgekit-baselines.json: run pytest {UPDATE}*"])
    run(pytester, UPDATE).assert_outcomes(passed=3)
    run(pytester, "-m", "emulated").assert_outcomes(passed=2, deselected=1)
    stored = json.loads((pytester.path / "edgekit-baselines.json").read_text())
    assert sorted(stored["baselines"]) == ["dist/digits/model.tflite on pixel-8, 1 thread",
                                           "dist/digits/model.tflite on raspberry-pi-3b-plus, 1 thread"]


@pytest.mark.slow
def test_more_instructions_than_the_baseline_fail(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=TEST)
    run(project, UPDATE).assert_outcomes(passed=1)
    run(project).assert_outcomes(passed=1)  # exactly as many
    file = project.path / "edgekit-baselines.json"
    document = json.loads(file.read_text())
    entry = document["baselines"]["model.tflite on raspberry-pi-5, 1 thread"]
    counted = entry["instructions"]
    entry["instructions"] = counted - 1
    entry["runtime"] = "ai-edge-litert 1.0"
    file.write_text(json.dumps(document))
    more = run(project)
    more.assert_outcomes(failed=1)
    more.stdout.fnmatch_lines([f"*{counted:,} instructions, the baseline is {counted - 1:,}*ai-edge-litert 1.0*"])


def test_memory_and_parity_can_fail(project: pytest.Pytester) -> None:
    project.makepyfile(test_it="""
import pytest
def test_memory(emulated_device):
    emulated_device("raspberry-pi-5").run("model.tflite").assert_fits_memory(mib=0.01)
def test_parity(emulated_device):
    run = emulated_device("raspberry-pi-5").run("model.tflite")
    apart = run.measurement.agreement.model_copy(update={"agrees": False, "max_abs": 9.0})
    run.measurement = run.measurement.model_copy(update={"agreement": apart})
    run.assert_parity()
""")
    failed = run(project)
    failed.assert_outcomes(failed=2)
    failed.stdout.fnmatch_lines(["*needs about * MiB, allowed are 0.01 MiB*", "*an output is 9 from this machine's*"])


@pytest.mark.parametrize(("test", "said"), [
    ("@pytest.mark.emulated('raspberry-pi-5')\ndef test_it(): pass", "takes devices' ids, and a test"),
    ("@pytest.mark.emulated()\ndef test_it(device): pass", "takes devices' ids, and a test"),
    ("def test_it(device): pass", "needs @pytest.mark.emulated"),
    ("@pytest.mark.emulated('pixel8')\ndef test_it(device): device.run('model.tflite')", "there is no device 'pixel8'"),
    ("@pytest.mark.emulated('pixel-8')\ndef test_it(device): device.run('other.tflite')", "there is no file other"),
])
def test_mistakes_are_named(project: pytest.Pytester, test: str, said: str) -> None:
    project.makepyfile(test_it=f"import pytest\n{test}")
    result = run(project)
    assert result.ret != 0
    assert said in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize("text", [
    "{}", "[]", "{", '{"schema": "edgekit/baselines/2", "baselines": {}}',
    '{"schema": "edgekit/baselines/1", "baselines": []}',
    '{"schema": "edgekit/baselines/1", "baselines": {"a": {"instructions": "many", "runtime": "b"}}}',
    '{"schema": "edgekit/baselines/1", "baselines": {"a": 3}}'])
def test_a_broken_baseline_file(project: pytest.Pytester, text: str) -> None:
    project.makepyfile(test_it=TEST)
    (project.path / "edgekit-baselines.json").write_text(text)
    result = run(project)
    assert result.ret != 0
    assert "does not hold edgekit's baselines" in result.stdout.str() + result.stderr.str()


def test_an_artifact_from_elsewhere_needs_a_name(project: pytest.Pytester, exported: Exported) -> None:
    project.makepyfile(test_it=f"""
import pytest
def test_it(emulated_device):
    device = emulated_device("raspberry-pi-5")
    with pytest.raises(pytest.UsageError, match="give it a name"):
        device.run({str(exported.out / "model.tflite")!r})
    device.run({str(exported.out / "model.tflite")!r}, name="small").assert_instructions_within_baseline()
""")
    run(project, UPDATE).assert_outcomes(passed=1)
    stored = json.loads((project.path / "edgekit-baselines.json").read_text())
    assert list(stored["baselines"]) == ["small on raspberry-pi-5, 1 thread"]


def test_an_artifact_that_changes_within_a_session_runs_again(project: pytest.Pytester, exported: Exported) -> None:
    project.makepyfile(test_it="""
import shutil
def test_it(emulated_device):
    device = emulated_device("raspberry-pi-5")
    shutil.copy("model.tflite", "one.tflite")
    one = device.run("one.tflite")
    assert device.run("one.tflite") is one
    with open("one.tflite", "ab") as file:
        file.write(b"  ")
    assert device.run("one.tflite").measurement.sha256 != one.measurement.sha256
""")
    run(project).assert_outcomes(passed=1)


def test_baselines_are_not_updated_by_several_processes(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=TEST)
    result = run(project, UPDATE, "-n", "2")
    assert result.ret != 0
    assert "without -n" in result.stdout.str() + result.stderr.str()
    assert not (project.path / "edgekit-baselines.json").exists()


def test_the_plugin_costs_nothing_where_it_is_not_used(pytester: pytest.Pytester) -> None:
    heavy = {"torch", "numpy", "pydantic", "click"}
    code = f"import sys, edgekit.pytest_plugin; sys.exit(bool({heavy} & set(sys.modules)))"
    assert pytester.run(sys.executable, "-c", code).ret == 0

"""`import edgekit` and `edgekit --help` stay light."""

import subprocess
import sys

HEAVY = ("torch", "numpy", "onnx", "onnxruntime", "litert_torch", "ai_edge_litert", "executorch", "transformers",
         "tensorflow", "jax", "rich", "pydantic")


def _loaded(code: str) -> set[str]:
    out = subprocess.run([sys.executable, "-c", f"{code}\nimport sys; print(' '.join(sys.modules))"], check=True,
                         capture_output=True, text=True)
    return {name.split(".")[0] for name in out.stdout.splitlines()[-1].split()} & set(HEAVY)


def test_importing_edgekit_loads_nothing_heavy():
    assert _loaded("import edgekit; edgekit.EdgekitError") == set()


def test_help_loads_nothing_heavy():
    assert _loaded("from edgekit.cli.main import run\nassert run(['--help']) == 0") == set()

"""Every error code that the code raises is explained, and every explained code is raised."""

import ast
import pickle
from pathlib import Path

import pytest

import edgekit
from edgekit import errors
from edgekit.error_codes import CODES

ROOT = Path(edgekit.__file__).parent
FAMILIES = {name for name in errors.__all__}


def _strings(node: ast.AST) -> list[str]:
    return [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def _raised() -> dict[str, str]:
    """code -> file:line of each literal first argument of an error class."""
    found = {}
    for file in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                if name in FAMILIES and isinstance(node.args[0].value, str):
                    found[node.args[0].value] = f"{file.relative_to(ROOT)}:{node.lineno}"
    return found


def test_every_raised_code_is_explained():
    missing = {code: where for code, where in _raised().items() if code not in CODES}
    assert not missing


def test_every_explained_code_is_used():
    sources = {f: set(_strings(ast.parse(f.read_text()))) for f in ROOT.rglob("*.py") if f.parent.name != "error_codes"}
    # Some codes are put together: f"{kind}-invalid".
    endings = {s for strings in sources.values() for s in strings if s.startswith("-") and len(s) > 4}
    unused = [code for code in CODES if not any(code in strings for strings in sources.values())
              and not code.endswith(tuple(endings))]
    assert not unused


def test_codes_are_sorted_and_explained_in_words():
    assert list(CODES) == sorted(CODES)
    assert all(title and len(text) > 20 for title, text in CODES.values())


@pytest.mark.parametrize(("family", "status"), [
    (errors.UsageError, 2), (errors.RecipeError, 2), (errors.WorkloadError, 2), (errors.ConversionError, 3),
    (errors.DeviceError, 4), (errors.EnvironmentProblem, 5), (errors.BudgetMissed, 1)])
def test_exit_statuses(family, status):
    assert family("x", "y").exit_status == status


def test_errors_cross_processes_whole():
    error = errors.ConversionError("c", "m", where="f:1", cause="why", next="do")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is errors.ConversionError
    assert again.document() == error.document()


def test_a_sum_of_problems_has_the_highest_of_their_statuses():
    problems = [errors.RecipeError("a", "x"), errors.DeviceError("b", "y", where="f:1")]
    error = pickle.loads(pickle.dumps(errors.RecipeError("c", "two", problems=problems)))
    assert error.exit_status == 4
    assert [p["code"] for p in error.document()["problems"]] == ["a", "b"]

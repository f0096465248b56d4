"""The app's workflow, which only GitHub can run: its commands are edgekit's own, and no name alone is installed."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
from compile_check import DEMO
from ruamel.yaml import YAML

from edgekit.cli.main import cli
from edgekit.types.app import FLAVORS

_WORKFLOW: dict[str, Any] = YAML(typ="safe").load(DEMO / ".github/workflows/android.yml")


def _steps(job: str) -> list[dict[str, Any]]:
    return _WORKFLOW["jobs"][job]["steps"]


def _lines(job: str) -> list[str]:
    said = [step.get("run") or step.get("with", {}).get("script") or "" for step in _steps(job)]
    return [line.strip() for text in said for line in text.splitlines()]


@pytest.mark.parametrize(("place", "status"), [
    ("", 1), ("edgekit[all]", 1), ("edgekit", 1), ("edgekit[all] @ git+https://example.org/edgekit@0123abc", 0),
    ("./edgekit-0.1.0-py3-none-any.whl", 0)])
def test_the_first_step_demands_a_place_to_install_from(place: str, status: int) -> None:
    first = _steps("build")[0]["run"]
    done = subprocess.run(["bash", "-e", "-c", first], env={"EDGEKIT": place}, capture_output=True, text=True)
    assert done.returncode == status
    assert ("Next: set it in .github/workflows/android.yml" in done.stdout) == bool(status)


def test_nothing_is_installed_by_a_name() -> None:
    assert _WORKFLOW["env"]["EDGEKIT"] == ""
    installed = [line for job in _WORKFLOW["jobs"] for line in _lines(job) if re.search(r"\bpip\b", line)]
    assert set(installed) == {'pip install "$EDGEKIT"'}
    assert _WORKFLOW["jobs"]["emulator"]["needs"] == "build"  # whose first step looked at it


def test_edgekit_has_the_commands() -> None:
    verbs = []
    for line in (line for job in _WORKFLOW["jobs"] for line in _lines(job) if line.startswith("edgekit ")):
        _, verb, *words = shlex.split(line.partition(">")[0])
        command = cli.get_command(click.Context(cli), verb)
        assert command is not None
        command.make_context(verb, words)  # raises at an option or argument that edgekit does not have
        verbs.append(verb)
    assert verbs == ["export", "bundle", "measure"]


def test_the_result_is_kept_also_where_it_fails() -> None:
    *_, run, kept = _steps("emulator")
    script = run["with"]["script"]
    assert f"measure dist/{FLAVORS['tflite'].file} --on adb --app --json > {kept['with']['path']}" in script
    assert kept["if"] == "always()"
    built = Path("apks", FLAVORS["tflite"].name, "debug", f"app-{FLAVORS['tflite'].name}-debug.apk")
    assert f"adb install -r {built}" in script

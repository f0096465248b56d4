"""Things by name, from here and from other packages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from edgekit import plugins
from edgekit.errors import EnvironmentProblem, UsageError
from edgekit.plugins import Plugins


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch):
    """A registry with what other packages register."""
    def make(**points: str) -> Plugins:
        found = [EntryPoint(name, value, "edgekit.things") for name, value in points.items()]
        monkeypatch.setattr(plugins, "entry_points", lambda group: found if group == "edgekit.things" else [])
        return Plugins("edgekit.things", "thing", {"list": "builtins:list"}, "format-unknown")

    return make


def test_other_packages_can_add_one(registered) -> None:
    things = registered(ordered="collections:OrderedDict")
    assert things.names() == ("list", "ordered")
    assert things.get("ordered") == {}
    assert things.get("list") == []


def test_an_unknown_name_is_answered_with_the_nearest(registered) -> None:
    with pytest.raises(UsageError, match="unknown thing 'lsit'") as caught:
        registered().get("lsit")
    assert caught.value.code == "format-unknown"
    assert caught.value.cause == "known are list"
    assert caught.value.next == "did you mean 'list'?"


def test_a_taken_name_is_an_error(registered) -> None:
    with pytest.raises(EnvironmentProblem, match="two things are called 'list'") as caught:
        registered(list="somewhere:Else").get("list")
    assert caught.value.code == "plugin-duplicate"


def test_a_recipe_may_name_another_packages_format(tmp_path) -> None:
    (tmp_path / "mine.py").write_text("from edgekit.formats.onnx.format import OnnxFormat\n\n\n"
                                      "class Mine(OnnxFormat):\n    name = 'mine'\n")
    info = tmp_path / "mine-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[edgekit.formats]\nmine = mine:Mine\n")
    recipe = tmp_path / "r.yaml"
    recipe.write_text("name: r\nformats: [mine, onxn]\nquantize: {scheme: fp32}\n")

    def edgekit(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "edgekit", *words], capture_output=True, text=True, check=False,
                              env={**os.environ, "PYTHONPATH": str(tmp_path)})

    wrong = edgekit("recipes", "validate", str(recipe))
    assert wrong.returncode == 2
    assert "there is no 'onxn'" in wrong.stderr
    assert "there is no 'mine'" not in wrong.stderr
    recipe.write_text("name: r\nformats: [mine]\nquantize: {scheme: fp32}\n")
    (tmp_path / "anything.py").touch()  # a plan loads nothing
    planned = edgekit("export", str(tmp_path / "anything.py"), "--recipe", str(recipe), "--dry-run", "--json")
    assert list(json.loads(planned.stdout)["plans"][0]["formats"]) == ["mine"]

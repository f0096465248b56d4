"""Things by name, from here and from other packages."""

from __future__ import annotations

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

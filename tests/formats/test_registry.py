from importlib.metadata import EntryPoint

import pytest

from edgekit.errors import EnvironmentProblem, UsageError
from edgekit.formats import registry
from edgekit.formats.build import missing_extra, needs_extra


@pytest.fixture(autouse=True)
def _fresh_table():
    registry._table.cache_clear()
    yield
    registry._table.cache_clear()


def _register(monkeypatch, name: str, value: str) -> None:
    points = [EntryPoint(name=name, value=value, group=registry.ENTRY_POINTS)]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="onxx") as caught:
        registry.get_format("onxx")
    assert caught.value.code == "format-unknown"
    assert caught.value.next == "did you mean 'onnx'?"


def test_a_plugin_is_found_by_its_name(monkeypatch):
    _register(monkeypatch, "dictionary", "collections:OrderedDict")
    assert registry.format_names() == ("tflite", "executorch", "onnx", "dictionary")
    assert registry.get_format("dictionary") == {}


def test_a_taken_name_is_an_error(monkeypatch):
    _register(monkeypatch, "onnx", "collections:OrderedDict")
    with pytest.raises(EnvironmentProblem, match="two formats are called 'onnx'"):
        registry.get_format("tflite")


def test_a_missing_package_is_one_line_with_the_command():
    with pytest.raises(EnvironmentProblem) as caught, needs_extra("onnx"):
        import a_package_that_nobody_has  # noqa: F401
    assert caught.value.next == 'pip install "edgekit[onnx]"'
    assert caught.value.cause == "no package 'a_package_that_nobody_has'"
    assert missing_extra("tflite").exit_status == 5

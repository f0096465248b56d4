import pytest

from edgekit.contracts import Format
from edgekit.errors import EnvironmentProblem, UsageError
from edgekit.formats.build import missing_extra, needs_extra
from edgekit.formats.registry import format_names, get_format


@pytest.mark.parametrize("name", format_names())
def test_formats_keep_the_contract(name):
    assert isinstance(get_format(name), Format)
    assert get_format(name).name == name


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="onxx") as caught:
        get_format("onxx")
    assert caught.value.code == "format-unknown"
    assert caught.value.next == "did you mean 'onnx'?"


def test_a_missing_package_is_one_line_with_the_command():
    with pytest.raises(EnvironmentProblem) as caught, needs_extra("onnx"):
        import a_package_that_nobody_has  # noqa: F401
    assert caught.value.next == 'pip install "edgekit[onnx]"'
    assert caught.value.cause == "no package 'a_package_that_nobody_has'"
    assert missing_extra("tflite").exit_status == 5

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import RecipeError
from edgekit.yamlfile.nearest import choices_hint, nearest
from edgekit.yamlfile.source import YamlSource, read_yaml


def read(folder: Path, text: str | bytes) -> YamlSource:
    path = folder / "file.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_yaml(path)


def found(source: YamlSource) -> list[tuple[str, str]]:
    return [(p.code, str(p.where).rpartition("file.yaml:")[2]) for p in source.problems]


def test_every_key_and_value_has_its_place(tmp_path: Path) -> None:
    source = read(tmp_path, "a: 1\nb:\n  c: [x, {d: 2.5}]\n  e: off\nf: 2024-01-01\ng: ~\n")
    assert source.data == {"a": 1, "b": {"c": ["x", {"d": 2.5}], "e": "off"}, "f": "2024-01-01", "g": None}
    assert source.problems == []
    assert source.where(("b", "c", 1, "d")).endswith("file.yaml:3:14")
    assert source.where(("b", "c", 1, "d"), key=True).endswith("file.yaml:3:11")
    assert source.where(("b", "e")).endswith("file.yaml:4:6")


def test_a_place_that_is_not_spelled_out_is_shown_at_its_parent(tmp_path: Path) -> None:
    source = read(tmp_path, "a: 1\nb:\n  c: 2\n")
    assert source.where(("b", "missing", "deep")).endswith("file.yaml:2:1")
    assert source.where(("missing",)).endswith("file.yaml:1:1")


@pytest.mark.parametrize(("text", "expected"), [
    ("", [("yaml-syntax", "1:1")]),
    ("# nothing\n", [("yaml-syntax", "1:1")]),
    ("- a\n- b\n", [("type-wrong", "1:1")]),
    ("just words\n", [("type-wrong", "1:1")]),
    ("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n", [("key-duplicate", "4:3"), ("key-duplicate", "5:1")]),
    ("a:\n\tb: 1\n\tc: 2\n", [("yaml-syntax", "2:1"), ("yaml-syntax", "3:1")]),
    ("a: [1, 2\nb: 3\n", [("yaml-syntax", "2:2")]),
    ("a: &x 1\nb: *x\n", [("yaml-syntax", "2:4")]),
    ("a: !!python/object:os.system ls\n", [("yaml-syntax", "1:4")]),
    ("a: 1\n---\nb: 2\n", [("yaml-syntax", "2:1")]),
    ("? [a, b]\n: 1\n", [("type-wrong", "1:3")]),
    ("b: 1\na: \x07\n", [("yaml-syntax", "2:4")]),
    ("a: 1\nb: " + "[" * 5000, [("yaml-syntax", "2:35")]),
    ("a: " + "{x: " * 600, [("yaml-syntax", "1:128")]),
])
def test_mistakes_of_the_yaml_have_a_place(tmp_path: Path, text: str, expected: list[tuple[str, str]]) -> None:
    assert found(read(tmp_path, text)) == expected


def test_a_tab_inside_text_is_no_mistake(tmp_path: Path) -> None:
    assert read(tmp_path, 'a: "x\ty"\n').data == {"a": "x\ty"}


def test_what_is_no_text_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="UTF-8") as latin:
        read(tmp_path, b"a: 1\nb: \xe9\n")
    assert str(latin.value.where).endswith(":2")
    with pytest.raises(RecipeError, match="bytes"):
        read(tmp_path, b"#" * (2 << 20))
    with pytest.raises(RecipeError) as missing:
        read_yaml(tmp_path / "none.yaml")
    assert missing.value.code == "file-not-readable"


@pytest.mark.parametrize(("word", "near"), [
    ("obsever", "observer"), ("MSE", "mse"), ("keep-float", "keep_float"), ("zzz", None), ("thr", "threads")])
def test_nearest_name(word: str, near: str | None) -> None:
    assert nearest(word, ["observer", "mse", "keep_float", "threads"]) == near


def test_hint_lists_a_few_choices_and_not_many() -> None:
    assert choices_hint("mze", ["mse", "minmax"]) == "did you mean 'mse'? one of: minmax, mse"
    assert choices_hint("q", [f"name-{i}" for i in range(50)]) == "there are 50 to choose from"
    assert choices_hint("q", []) == "there are none to choose from"

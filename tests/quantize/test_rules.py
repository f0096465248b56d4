"""Float rules: what a module pattern, a kind and a node cover."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from edgekit.contracts import FloatRule
from edgekit.errors import UsageError
from edgekit.quantize.rules import matches, resolve_keep_float
from edgekit.types.graph import Source


def rule(module="*", kind="*", node=None):
    return FloatRule(module, kind, "because", "recipe", node)


@pytest.mark.parametrize(("module", "path", "expected"), [
    ("*", "", True), ("*", "a.b", True), ("", "", True), ("", "a", False),
    ("features.3", "features.3", True), ("features.3", "features.3.conv.0", True), ("features.3", "features.30", False),
    ("blocks.*.attn", "blocks.7.attn.softmax", True), ("blocks.*.attn", "blocks.7.mlp", False),
])
def test_module_patterns_cover_what_lies_below(module, path, expected):
    assert matches(rule(module), Source(module=path), "conv") is expected


def test_kind_and_node_narrow_a_rule():
    assert matches(rule(kind="softmax"), Source(module="a"), "softmax")
    assert not matches(rule(kind="softmax"), Source(module="a"), "conv")
    assert not matches(rule("a", node="conv2d_1"), Source(module="a"), "conv", "conv2d")
    assert matches(rule("a", node="conv2d_1"), Source(module="a"), "conv")  # a format that sees no FX names
    assert not matches(rule("*", "conv", node="conv2d_1"), Source(module="a"), "conv")  # would cover every conv


def test_operators_without_a_source_match_only_the_star():
    assert matches(rule(), None, "conv")
    assert not matches(rule("a"), None, "conv")


def test_recipe_patterns_become_rules_or_an_error_with_the_nearest_paths():
    program = SimpleNamespace(sources={"n": Source(module="features.3.conv"), "m": Source(module="head")})
    assert [r.origin for r in resolve_keep_float(["features.*", "head"], program)] == ["recipe", "recipe"]
    with pytest.raises(UsageError, match="heads") as caught:
        resolve_keep_float(["heads"], program)
    assert caught.value.code == "keep-float-no-match"
    assert "head" in caught.value.cause

"""Which operators a float rule covers, and turning a recipe's patterns into rules."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from edgekit.contracts import FloatRule, Program
from edgekit.errors import UsageError
from edgekit.types.graph import Source

__all__ = ["covering", "is_float", "matches", "matches_module", "resolve_keep_float"]


def matches(rule: FloatRule, source: Source | None, kind: str, node: str | None = None) -> bool:
    """Whether ``rule`` keeps an operator float.

    Args:
        source: where the operator comes from; None (unknown) matches rules for all modules only.
        kind: the operator's kind (``edgekit.types.kinds``).
        node: the operator's FX node name where the caller knows it; None leaves it to ``rule``'s module and kind,
            except where the rule has no module either.
    """
    if rule.node is not None and (rule.node != node if node is not None else rule.module == "*"):
        return False
    if rule.kind not in ("*", kind):
        return False
    if source is None:
        return rule.module == "*"
    return matches_module(rule.module, source.module)


def is_float(rules: Iterable[FloatRule], source: Source | None, kind: str, node: str | None = None) -> bool:
    """Whether any of ``rules`` keeps the operator float."""
    return any(matches(rule, source, kind, node) for rule in rules)


def covering(rules: Iterable[FloatRule], source: Source | None, kind: str, node: str | None) -> FloatRule | None:
    """The first rule that covers what a format made of the program's operator ``node``, if any.

    A rule that names ``node`` covers all that came of it, of whatever kinds: a LayerNorm's mean, sub and rsqrt.
    """
    return next((rule for rule in rules if matches(rule, source, kind, node) or (node and rule.node == node)), None)


def matches_module(pattern: str, path: str) -> bool:
    """Whether a module path lies at or under a pattern: "*", a path, or a shell pattern such as ``blocks.*.attn``.

    The empty pattern is the top module itself, not all below it ("*" says that).
    """
    if pattern == "*" or pattern == path:
        return True
    if not pattern:
        return False
    parts = path.split(".")
    return any(fnmatchcase(".".join(parts[:end]), pattern) for end in range(1, len(parts) + 1))


def resolve_keep_float(patterns: Sequence[str], program: Program) -> tuple[FloatRule, ...]:
    """Rules for a recipe's ``keep_float`` patterns. Raises UsageError for the first one that matches no module."""
    paths = module_paths(program)
    for pattern in patterns:
        if not any(matches_module(pattern, path) for path in paths):
            near = difflib.get_close_matches(pattern, paths, n=3, cutoff=0.3) or paths[:3]
            raise UsageError("keep-float-no-match", f"keep_float: no module of the model matches {pattern!r}.",
                             cause="The nearest module paths are: " + ", ".join(near) + "." if near else None,
                             next="Name a module path of the model, or a pattern such as 'head.*'.")
    return tuple(FloatRule(p, "*", "kept float by the recipe", "recipe") for p in patterns)


def module_paths(program: Program) -> list[str]:
    """Every module path with an operator at or under it, the top ("") left out, in order of first appearance."""
    seen: dict[str, None] = {}
    for source in program.sources.values():
        parts = source.module.split(".") if source.module else []
        for end in range(1, len(parts) + 1):
            seen[".".join(parts[:end])] = None
    return list(seen)

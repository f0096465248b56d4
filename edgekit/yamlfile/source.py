"""A YAML file with the line and column of every key and value.

Files are read in YAML 1.2 (``off`` is text, not false) as plain data: no anchors, no tags, no duplicate keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from edgekit.errors import EdgekitError, RecipeError

__all__ = ["Loc", "YamlSource", "read_text", "read_yaml"]

# A place in the document: keys and list indices from the top.
Loc = tuple[str | int, ...]

_MAX_BYTES = 1 << 20
_MAX_DEPTH = 32
_TEXT = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:merge", "tag:yaml.org,2002:value")
_PLAIN = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float", "tag:yaml.org,2002:bool", "tag:yaml.org,2002:null")


@dataclass
class YamlSource:
    """What a file says. ``keys`` and ``values`` hold 1-based (line, column) of every place; ``()`` is the top.

    ``data`` is None where the file is no mapping or no YAML at all; ``problems`` then says why.
    """

    path: Path
    data: dict[str, Any] | None = None
    keys: dict[Loc, tuple[int, int]] = field(default_factory=dict)
    values: dict[Loc, tuple[int, int]] = field(default_factory=dict)
    problems: list[EdgekitError] = field(default_factory=list)

    def where(self, loc: Loc, *, key: bool = False) -> str:
        """``file:line:col`` of the value at ``loc`` (of its key with ``key=True``), or of the nearest place above."""
        for end in range(len(loc), -1, -1):
            # A place that the file does not spell out is shown at the key that would hold it.
            first, second = (self.keys, self.values) if key or end < len(loc) else (self.values, self.keys)
            found = first.get(loc[:end]) or second.get(loc[:end])
            if found:
                return f"{self.path}:{found[0]}:{found[1]}"
        return f"{self.path}:1:1"

    def problem(self, code: str, message: str, at: tuple[int, int], cause: str | None = None,
                next_step: str | None = None) -> None:
        where = f"{self.path}:{at[0]}:{at[1]}"
        self.problems.append(RecipeError(code, message, where=where, cause=cause, next=next_step))


def read_yaml(path: Path) -> YamlSource:
    """Reads ``path``; mistakes of the YAML itself end in ``problems``. Raises RecipeError where it cannot be read."""
    source = YamlSource(path)
    text = read_text(path)
    yaml = YAML(typ="safe", pure=True)
    try:
        aliases, deep = _events(yaml, text)
        node = None if aliases or deep else yaml.compose(text)
    except MarkedYAMLError as e:
        _syntax(source, text, e)
        return source
    except ReaderError as e:
        before = text[:e.position]
        source.problem("yaml-syntax", f"not YAML: {e.reason} (character {text[e.position:e.position + 1]!r})",
                       (before.count("\n") + 1, len(before) - before.rfind("\n")))
        return source
    for alias in aliases:
        source.problem("yaml-syntax", f"alias '*{alias.anchor}': anchors and aliases are not used here",
                       _at(alias.start_mark), next_step="write the value out")
    if deep:
        source.problem("yaml-syntax", f"more than {_MAX_DEPTH} levels, one inside another", _at(deep),
                       next_step="check the brackets and the indentation")
    elif node is None and not aliases:
        source.problem("yaml-syntax", "the file is empty", (1, 1))
    elif node is not None and not isinstance(node, MappingNode):
        source.problem("type-wrong", "the file must hold a mapping (key: value lines)", _at(node.start_mark))
    elif node is not None:
        source.data = _build(source, node, (), yaml)
    return source


def read_text(path: Path) -> str:
    """The file's text. Raises RecipeError where it cannot be read, is no text, or is no page that a person wrote."""
    try:
        raw = path.read_bytes()
    except OSError as e:
        raise RecipeError("file-not-readable", f"cannot read {path}: {e.strerror}", where=str(path)) from e
    if len(raw) > _MAX_BYTES:
        raise RecipeError("file-not-readable", f"{path} holds {len(raw)} bytes; such a file is a page of text",
                          where=str(path), next="check that this is the file you meant")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = raw.count(b"\n", 0, e.start) + 1
        raise RecipeError("file-not-readable", f"{path} is not UTF-8 text", where=f"{path}:{line}",
                          next="save the file as UTF-8") from e


def _events(yaml: YAML, text: str) -> tuple[list[AliasEvent], StringMark | None]:
    """The aliases, and the place that lies too deep: composing such a file would end Python's own stack."""
    aliases, depth = [], 0
    for event in yaml.parse(text):
        if isinstance(event, AliasEvent):
            aliases.append(event)
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > _MAX_DEPTH:
            return aliases, event.start_mark
    return aliases, None


def _syntax(source: YamlSource, text: str, error: MarkedYAMLError) -> None:
    tabs = [(n, line.index("\t") + 1) for n, line in enumerate(text.splitlines(), 1) if re.match(r" *\t", line)]
    if tabs and "\\t" in str(error.problem):
        for at in tabs:
            source.problem("yaml-syntax", "a tab indents this line", at, "YAML indents with spaces only",
                           "replace the tab with spaces")
        return
    mark = error.problem_mark or error.context_mark
    message = ", ".join(str(part) for part in (error.context, error.problem) if part)
    source.problem("yaml-syntax", f"not YAML: {message}", _at(mark) if mark else (1, 1))


def _build(source: YamlSource, node: Node, loc: Loc, yaml: YAML) -> Any:
    # YAML places an empty value at whatever comes next: its key says more.
    empty = node.start_mark.index == node.end_mark.index
    source.values[loc] = source.keys.get(loc, (1, 1)) if empty else _at(node.start_mark)
    if isinstance(node, MappingNode):
        return {key: _build(source, value, (*loc, key), yaml) for key, value in _entries(source, node, loc)}
    if isinstance(node, SequenceNode):
        return [_build(source, item, (*loc, i), yaml) for i, item in enumerate(node.value)]
    if node.tag in _TEXT:
        return node.value
    if node.tag in _PLAIN:
        try:
            return yaml.constructor.construct_object(node)
        except ValueError:
            return node.value  # `!!int twelve`: stays text, and the schema says what it should be
    source.problem("yaml-syntax", f"tag '{node.tag}' is not used here", source.values[loc],
                   next_step="write the plain value")
    return node.value


def _entries(source: YamlSource, node: MappingNode, loc: Loc) -> Iterator[tuple[str, Node]]:
    for key_node, value in node.value:
        at = _at(key_node.start_mark)
        if not isinstance(key_node, ScalarNode):
            source.problem("type-wrong", "a key must be a plain word", at)
            continue
        key = str(key_node.value)
        if (*loc, key) in source.keys:
            first = source.keys[(*loc, key)]
            source.problem("key-duplicate", f"key '{key}' stands twice", at, f"first in line {first[0]}",
                           "remove one of them")
            continue
        source.keys[(*loc, key)] = at
        yield key, value


def _at(mark: StringMark) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1

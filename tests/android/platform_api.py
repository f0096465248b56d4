"""Android's API by its published TypeScript declarations: every class and member, and since which level it is there.

They have no primitive types (all numbers are `number`) and no type parameters' bounds, and write a CharSequence as a
string. Members are compared by name, number and kind of parameters, and kind of result.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from dex import Member

_OPENED = re.compile(r"^(?:declare |export )*(module|(?:abstract )?class)\s+([\w.$]+)(?:<.*?> ?)?(?: extends "
                     r"([\w.$]+)(?:<.*?>)?)?(?: implements (.*?))?\s*(?:/\*.*\*/ ?)?\{$")
_MEMBER = re.compile(r"^(?:public|protected) (?:static )?(?:abstract )?([\w$]+)(?:<[^(]*>)?(\((.*)\))?(?:: (.*))?;$")
_SINCE = re.compile(r"@since (\d+)")
_NUMBERS, _TEXTS = "BSIJFD", ("Ljava/lang/String;", "Ljava/lang/CharSequence;")


@dataclass
class _Class:
    since: int
    parents: list[str]
    # By name: (parameters or None of a field, result, level).
    members: dict[str, list[tuple[list[str] | None, str, int]]] = field(default_factory=dict)


class PlatformApi:
    def __init__(self, declarations: Path) -> None:
        self._classes = _read(declarations)

    def level(self, member: Member) -> int | None:
        """The API level that has the member first, 0 for what was always there; None where no level has it."""
        return self._level(member.owner.replace("/", ".").replace("$", "."), member)

    def has_class(self, name: str) -> bool:
        return name.replace("/", ".").replace("$", ".") in self._classes

    def _level(self, owner: str, member: Member) -> int | None:
        found = self._classes.get(owner)
        if found is None:
            return None
        levels = [max(since, found.since) for parameters, kind, since in found.members.get(_name(member), [])
                  if _alike(member, parameters, kind)]
        if member.name != "<init>":  # constructors are not inherited
            levels += [level for parent in found.parents if (level := self._level(parent, member)) is not None]
        return min(levels, default=None)


def _name(member: Member) -> str:
    return "constructor" if member.name == "<init>" else member.name


def _alike(member: Member, parameters: list[str] | None, kind: str) -> bool:
    if (parameters is None) != (member.parameters is None):
        return False
    if member.name != "<init>" and not _matches(member.kind, kind):
        return False
    if parameters is None or member.parameters is None:
        return True
    return len(parameters) == len(member.parameters) and all(map(_matches, member.parameters, parameters))


def _matches(descriptor: str, declared: str) -> bool:
    declared = declared.removesuffix(" | null")
    if descriptor in _TEXTS or descriptor == "C":
        return declared in ("string", "any", "java.lang.CharSequence") or declared.startswith('"')
    if len(descriptor) == 1:
        return declared == {"Z": "boolean", "V": "void"}.get(descriptor, "number") or bool(
            descriptor in _NUMBERS and re.fullmatch(r"-?[\d.e+-]+", declared))
    if declared == "any" or re.fullmatch(r"[A-Z]\w*", declared):  # a type parameter
        return True
    if descriptor.startswith("["):
        inner = re.fullmatch(r"androidNative\.Array<(.*)>", declared)
        return bool(inner) and _matches(descriptor[1:], inner[1] if inner else "")
    return declared.split("<")[0] == descriptor[1:-1].replace("/", ".").replace("$", ".")


def _read(declarations: Path) -> dict[str, _Class]:
    classes: dict[str, _Class] = {}
    opened: list[str] = []
    since, inside_literal = 0, False
    for raw in declarations.read_text().splitlines():
        line = raw.strip()
        if inside_literal:  # an interface's constructor takes an object literal over several lines
            inside_literal = not line.startswith("})")
        elif line.startswith(("/*", "*")):
            since = int(level[1]) if (level := _SINCE.search(line)) else since
        elif found := _OPENED.match(line):
            opened.append(found[2])
            if "class" in found[1]:
                parents = [found[3] or "java.lang.Object", *re.findall(r"([\w.$]+)(?:<[^,]*>)?", found[4] or "")]
                name = ".".join(opened)
                classes[name] = _Class(since, [parent for parent in parents if parent != name])
            since = 0
        elif line == "}":
            opened.pop()
        elif line.endswith("{"):
            inside_literal, since = True, 0
        elif found := _MEMBER.match(line):
            parameters = _parameters(found[3]) if found[2] is not None else None
            classes[".".join(opened)].members.setdefault(found[1], []).append((parameters, found[4] or "void", since))
            since = 0
    assert not opened
    return classes


def _parameters(text: str) -> list[str]:
    """The types between the parentheses; commas within generic types part nothing."""
    parts, depth, begun = [], 0, 0
    for at, sign in enumerate(text):
        depth += (sign in "<({[") - (sign in ">)}]" and text[at - 1] != "=")
        if sign == "," and not depth:
            parts.append(text[begun:at])
            begun = at + 1
    parts.append(text[begun:])
    return [part.partition(":")[2].strip() for part in parts if part.strip()]

"""What a cached stage's result depends on, and its name: the hash of all of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import edgekit

__all__ = ["CacheKey", "Difference", "differences", "source_hash"]


@dataclass(frozen=True)
class CacheKey:
    """A stage's name and version, the hashes of its inputs, its settings, and the versions of the tools it uses.

    ``settings`` is anything that JSON can hold; dataclasses, pydantic models and paths are taken as data.
    """

    stage: str
    version: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    settings: Any = None
    tools: Mapping[str, str] = field(default_factory=dict)

    def parts(self) -> dict[str, Any]:
        """The key as plain data, as ``meta.json`` keeps it."""
        data = {"stage": self.stage, "version": self.version, "inputs": dict(self.inputs), "settings": self.settings,
                "tools": dict(self.tools)}
        plain: dict[str, Any] = json.loads(_canonical(data))
        return plain

    @property
    def digest(self) -> str:
        """sha256 of the canonical JSON of all parts, in hexadecimal."""
        return hashlib.sha256(_canonical(self.parts()).encode()).hexdigest()


@dataclass(frozen=True)
class Difference:
    """A part of two keys that is not the same, as a dotted path (``settings.observer``); None where it is missing."""

    part: str
    before: Any
    now: Any


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """What changed between the ``parts()`` of two keys."""
    old, new = dict(_flat(before)), dict(_flat(now))
    return [Difference(p, old.get(p), new.get(p)) for p in sorted(old | new) if old.get(p) != new.get(p)]


@cache
def source_hash() -> str:
    """First 16 digits of the sha256 of edgekit's own sources: a changed edgekit never reuses what an older one made."""
    digest, root = hashlib.sha256(), Path(edgekit.__file__).parent
    for file in sorted(root.rglob("*.py")):
        digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _canonical(data: Any) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"a cache key cannot hold a {type(value).__name__}")


def _flat(value: Any, prefix: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, list):
        value = {str(i): v for i, v in enumerate(value)}
    if not isinstance(value, Mapping) or (prefix and not value):
        return [(prefix, value)]
    return [leaf for key, v in value.items() for leaf in _flat(v, f"{prefix}.{key}" if prefix else key)]

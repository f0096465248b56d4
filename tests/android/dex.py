"""What a DEX file defines and refers to, by its tables; Android's documentation has the format."""

from __future__ import annotations

import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path

# Where the header keeps each table's size, which its offset follows.
_STRINGS, _TYPES, _PROTOTYPES, _FIELDS, _METHODS, _CLASSES = 56, 64, 72, 80, 88, 96


@dataclass(frozen=True)
class Member:
    """As in a class file: ``owner`` with slashes, ``parameters`` None of a field, ``kind`` its or the returned type."""

    owner: str
    name: str
    parameters: tuple[str, ...] | None
    kind: str

    def __str__(self) -> str:
        owner = self.owner.replace("/", ".")
        return f"{owner}.{self.name}" + ("" if self.parameters is None else f"({''.join(self.parameters)}){self.kind}")


@dataclass(frozen=True)
class Dex:
    """``defined`` and ``referenced`` are classes' names with slashes."""

    defined: frozenset[str]
    referenced: frozenset[str]
    members: frozenset[Member]


def read_apk(apk: Path) -> Dex:
    with zipfile.ZipFile(apk) as package:
        read = [_read(package.read(name)) for name in package.namelist() if name.endswith(".dex")]
    assert read, f"{apk} holds no DEX file"
    return Dex(frozenset().union(*(dex.defined for dex in read)), frozenset().union(*(dex.referenced for dex in read)),
               frozenset().union(*(dex.members for dex in read)))


def _read(data: bytes) -> Dex:
    assert data[:4] == b"dex\n"

    def table(header: int, form: str) -> list[tuple[int, ...]]:
        count, offset = struct.unpack_from("<II", data, header)
        return list(struct.iter_unpack(f"<{form}", data[offset:offset + count * struct.calcsize(f"<{form}")]))

    strings = [_string(data, offset) for (offset,) in table(_STRINGS, "I")]
    types = [strings[index] for (index,) in table(_TYPES, "I")]
    prototypes = [(types[kind], _type_list(data, offset, types)) for _, kind, offset in table(_PROTOTYPES, "III")]
    members = [Member(_class(types[owner]), strings[name], None, types[kind])
               for owner, kind, name in table(_FIELDS, "HHI")]
    for owner, prototype, name in table(_METHODS, "HHI"):
        kind, parameters = prototypes[prototype]
        members.append(Member(_class(types[owner]), strings[name], parameters, kind))
    return Dex(frozenset(_class(types[row[0]]) for row in table(_CLASSES, "IIIIIIII")),
               frozenset(_class(name) for name in types if name.lstrip("[").startswith("L")), frozenset(members))


def _string(data: bytes, offset: int) -> str:
    while data[offset] & 0x80:  # its length as LEB128
        offset += 1
    return data[offset + 1:data.index(b"\0", offset + 1)].decode("utf-8", "replace")


def _type_list(data: bytes, offset: int, types: list[str]) -> tuple[str, ...]:
    if not offset:
        return ()
    (count,) = struct.unpack_from("<I", data, offset)
    return tuple(types[index] for index in struct.unpack_from(f"<{count}H", data, offset + 4))


def _class(descriptor: str) -> str:
    """Of an array, its elements' class; a primitive's letter stays."""
    return descriptor.lstrip("[").removeprefix("L").removesuffix(";")

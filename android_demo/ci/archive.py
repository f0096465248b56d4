"""Writes the zips: an unsigned APK whose stored entries are aligned, and an app bundle's modules.

``apk OUT BASE [FOLDER=PREFIX]...`` adds the folders' files to aapt2's BASE; ``zip OUT [FOLDER=PREFIX]...`` makes a
bundle's module or a jar. Names are sorted and times fixed: same input, same bytes. This build adds no native runtime;
a library (lib/ABI/NAME.so) would be stored on 16 KiB, as devices with large pages want it.
"""

from __future__ import annotations

import struct
import sys
import zipfile
from pathlib import Path

_TIME = (1981, 1, 1, 1, 1, 2)  # what Gradle's packager writes
_PAGE, _WORD = 16384, 4
_STORED = (".so", ".tflite", ".pte", ".onnx", ".bin")
_ALIGNMENT_EXTRA = 0xD935  # the extra field that pads an entry; apksigner keeps it


def write_apk(out: Path, base: Path, folders: dict[Path, str]) -> None:
    """Models and vectors are stored as they are, so that the app can map them from the APK."""
    with zipfile.ZipFile(base) as linked, out.open("wb") as stream, zipfile.ZipFile(stream, "w") as apk:
        for entry in linked.infolist():
            _add(apk, stream.tell(), entry.filename, linked.read(entry), entry.compress_type == zipfile.ZIP_STORED)
        for name, file in _files(folders):
            _add(apk, stream.tell(), name, file.read_bytes(), name.endswith(_STORED))


def write_zip(out: Path, folders: dict[Path, str]) -> None:
    """A zip of the folders' files, each folder under its prefix."""
    with zipfile.ZipFile(out, "w") as written:
        for name, file in _files(folders):
            _add(written, None, name, file.read_bytes(), False)


def _files(folders: dict[Path, str]) -> list[tuple[str, Path]]:
    return sorted((prefix + file.relative_to(folder).as_posix(), file)
                  for folder, prefix in folders.items() for file in folder.rglob("*") if file.is_file())


def _add(written: zipfile.ZipFile, offset: int | None, name: str, data: bytes, stored: bool) -> None:
    entry = zipfile.ZipInfo(name, _TIME)
    entry.external_attr = 0
    entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    if stored and offset is not None:
        entry.extra = _padding(offset + 30 + len(name.encode()), _PAGE if name.endswith(".so") else _WORD)
    written.writestr(entry, data)


def _padding(at: int, alignment: int) -> bytes:
    """The extra field after which a multiple of ``alignment`` is reached; it takes 6 bytes or more, or none."""
    missing = -at % alignment
    while 0 < missing < 6:
        missing += alignment
    if not missing:
        return b""
    return struct.pack("<HHH", _ALIGNMENT_EXTRA, missing - 4, alignment) + bytes(missing - 6)


def _folders(said: list[str]) -> dict[Path, str]:
    pairs = (one.partition("=") for one in said)
    return {Path(folder): prefix for folder, _, prefix in pairs}


if __name__ == "__main__":
    verb, target, *sources = sys.argv[1:]
    if verb == "apk":
        write_apk(Path(target), Path(sources[0]), _folders(sources[1:]))
    else:
        write_zip(Path(target), _folders(sources))

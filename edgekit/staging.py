"""A folder that edgekit writes appears whole, or not at all: built beside its place, then renamed into it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from edgekit.disk import disk_errors, files_under, sha256_of
from edgekit.errors import UsageError

__all__ = ["MANIFEST", "Staging", "check_replaceable", "is_edgekit_output", "manifest_of"]

MANIFEST = "manifest.json"


def is_edgekit_output(folder: Path, kind: str = "manifest") -> bool:
    """Whether the folder has a manifest of ours; ``kind`` is the name in its schema: an export's, or another's."""
    try:
        document = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and str(document.get("schema", "")).startswith(f"edgekit/{kind}/")


def check_replaceable(out: Path, kind: str = "manifest") -> None:
    """Raises UsageError ``output-not-edgekit`` if publishing to ``out`` would take away something that is not ours."""
    if not os.path.lexists(out):
        return
    here, place = Path.cwd(), Path(os.path.realpath(out))
    if place == here or place in here.parents:
        raise UsageError("output-not-edgekit", f"the output {str(out)!r} holds the working directory", where=str(out),
                         cause="replacing it would leave this shell in a folder that is gone",
                         next=f"choose another folder, for example -o {here / 'dist'}")
    if out.is_dir() and os.path.ismount(out):
        raise UsageError("output-not-edgekit", f"the output {str(out)!r} is a mount point, which cannot be replaced",
                         where=str(out), next=f"choose a folder inside it, for example -o {out / 'export'}")
    if out.is_dir() and not any(out.iterdir()):
        return
    if is_edgekit_output(out, kind):
        _refuse_strangers(out)
        return
    what = (f"has no {MANIFEST} of edgekit's for a folder of its kind, and is not empty" if out.is_dir()
            else "is not a folder")
    raise UsageError("output-not-edgekit", f"the output {str(out)!r} exists and {what}", where=str(out),
                     cause="edgekit only replaces what edgekit wrote",
                     next="give another folder, or empty this one yourself")


def _refuse_strangers(out: Path) -> None:
    """Raises UsageError where an output of ours holds files that its manifest does not name."""
    known = {MANIFEST, *json.loads((out / MANIFEST).read_text(encoding="utf-8")).get("files", {})}
    strangers = sorted({path.relative_to(out).as_posix() for path in out.rglob("*")
                        if path.is_symlink() or not path.is_dir()} - known)
    if strangers:
        raise UsageError(
            "output-not-edgekit", f"the output {str(out)!r} holds files that edgekit did not write", where=str(out),
            cause=", ".join(strangers[:5]) + (f" and {len(strangers) - 5} more" if len(strangers) > 5 else ""),
            next="move them elsewhere, or give another folder")


def manifest_of(kind: str, files: Mapping[str, tuple[str, int]], **facts: Any) -> bytes:
    """The manifest of ``files``: sha256 and bytes by path."""
    listed = {name: {"sha256": sha256, "bytes": size} for name, (sha256, size) in sorted(files.items())}
    return (json.dumps({"schema": f"edgekit/{kind}/1", **facts, "files": listed}, indent=2) + "\n").encode()


class Staging:
    """A folder beside ``out`` that takes its place on :meth:`publish`.

    Leaving the ``with`` block without publishing, by an error or an interrupt too, removes it and leaves ``out`` as
    it was. ``kind`` names its manifest's schema: only a folder of the same kind is replaced.

    Raises UsageError ``output-not-edgekit``, EnvironmentProblem ``disk-full`` or ``not-writable``.
    """

    def __init__(self, out: Path, kind: str = "manifest") -> None:
        self.out, self._kind = Path(os.path.realpath(out)), kind
        self._published = False

    def __enter__(self) -> Staging:
        check_replaceable(self.out, self._kind)
        with disk_errors("the output", self.out.parent):
            self._made_parents = _make_parents(self.out.parent)
            self.folder = Path(tempfile.mkdtemp(prefix=f".{self.out.name}.", suffix=".edgekit", dir=self.out.parent))
            self.folder.chmod(0o755)
        self._stack = ExitStack()
        self._stack.callback(self._tidy)
        self._stack.enter_context(disk_errors("the output", self.out.parent, access=False))
        return self

    def __exit__(self, *problem: Any) -> bool | None:
        return self._stack.__exit__(*problem)

    def publish(self, **facts: Any) -> None:
        """Adds ``manifest.json`` (``facts``, and sha256 of every other file), then swaps the folder into place."""
        with disk_errors("the output", self.out):
            files = {file.relative_to(self.folder).as_posix(): (sha256_of(file), file.stat().st_size)
                     for file in files_under(self.folder)}
            (self.folder / MANIFEST).write_bytes(manifest_of(self._kind, files, **facts))
            check_replaceable(self.out, self._kind)  # someone may have put something there meanwhile
            _swap(self.folder, self.out)
            self._published = True

    def _tidy(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        if not self._published:
            for parent in self._made_parents:  # innermost first; one that is no longer empty stays
                try:
                    parent.rmdir()
                except OSError:
                    break


def _swap(new: Path, out: Path) -> None:
    """Renames ``new`` to ``out``. What was there moves aside first, and back again if the second rename fails."""
    if not os.path.lexists(out):
        os.rename(new, out)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".old", dir=out.parent))
    try:
        os.rename(out, aside / "old")
        try:
            os.rename(new, out)
        except BaseException:
            os.rename(aside / "old", out)
            raise
    except BaseException:
        aside.rmdir()  # never with something in it: what was there is back, or stays in it
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _make_parents(folder: Path) -> list[Path]:
    """Creates ``folder``; returns the folders that were missing, innermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


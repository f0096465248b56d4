"""Small things about files: edgekit's own folder, hashes, sizes, and a full disk said as such."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgekit.errors import EdgekitError, EnvironmentProblem

__all__ = ["cache_folder", "disk_errors", "files_under", "folder_bytes", "is_full", "sha256_of"]

_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}
_NOTHING_LEFT = 64 * 1024


def cache_folder() -> Path:
    """Where results and fetched tools are kept for this user; it need not exist yet."""
    if own := os.environ.get("EDGEKIT_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "edgekit"


def sha256_of(file: Path) -> str:
    """sha256 of a file's content, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def files_under(folder: Path) -> list[Path]:
    """All files at any depth, sorted by their path, so that what is made from them has one order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def folder_bytes(folder: Path) -> int:
    """Bytes of all files at any depth."""
    return sum(file.stat().st_size for file in files_under(folder))


def is_full(error: BaseException, folder: Path) -> bool:
    """Whether ``error`` came of a full disk: native writers (torch, safetensors) raise it as errors of their own."""
    if isinstance(error, OSError):
        return error.errno in _FULL
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return "No space left on device" in str(error) or shutil.disk_usage(there).free < _NOTHING_LEFT


@contextmanager
def disk_errors(what: str, folder: Path, *, access: bool = True) -> Iterator[None]:
    """Turns what the operating system says about ``folder`` into EnvironmentProblem ``disk-full`` or ``not-writable``.

    ``access=False`` leaves refused access as it is, around work that touches other folders too.
    """
    try:
        yield
    except EdgekitError:
        raise
    except Exception as error:
        if is_full(error, folder):
            raise EnvironmentProblem("disk-full", f"the disk is full: {what} could not be written", where=str(folder),
                                     cause=str(error), next="free some space (`edgekit cache prune` empties the stage "
                                     "cache) and run the command again") from error
        if access and isinstance(error, OSError) and error.errno in _FORBIDDEN:
            raise EnvironmentProblem("not-writable", f"{what} cannot be written", where=str(folder), cause=str(error),
                                     next="choose a folder that you may write to") from error
        raise

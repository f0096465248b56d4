"""Fetching files out of a package's aarch64 wheel, kept with their hashes."""

from __future__ import annotations

import errno
import fnmatch
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from edgekit.disk import disk_errors, files_under, sha256_of
from edgekit.errors import EnvironmentProblem

__all__ = ["fetch", "fetched", "keep"]

_INDEX = "sha256.json"
# glibc versions that wheels are tagged with; the guest's is 2.36.
_GLIBC = (17, 24, 26, 27, 28, 31, 34, 35)
_PLATFORMS = ("manylinux2014_aarch64", *(f"manylinux_2_{minor}_aarch64" for minor in _GLIBC))
_SECONDS = 600


def fetched(folder: Path) -> bool:
    """Whether ``folder`` holds what :func:`fetch` put there. Raises EnvironmentProblem for a file that changed."""
    index = folder / _INDEX
    if not index.is_file():
        return False
    for name, sha256 in json.loads(index.read_text(encoding="utf-8")).items():
        if not (folder / name).is_file() or sha256_of(folder / name) != sha256:
            raise EnvironmentProblem("emulator-damaged", f"{name} of the emulated device is not what was fetched",
                                     where=str(folder / name), next="edgekit doctor --setup emulator")
    return True


def keep(made: Path, folder: Path) -> None:
    """Puts the folder ``made`` in ``folder``'s place, with the hashes that :func:`fetched` looks at."""
    hashes = {file.relative_to(made).as_posix(): sha256_of(file) for file in files_under(made)}
    (made / _INDEX).write_text(json.dumps(hashes, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    made.rename(folder)


def fetch(project: str, version: str, patterns: Sequence[str], folder: Path, python: str | None = None, *,
          tree: bool = False) -> None:
    """Puts the matching files of the wheel into ``folder``, without their folders but for ``include/``; all or nothing.

    ``tree`` keeps all folders, for a package that is imported. pip checks the wheel against the index's hash. Raises
    EnvironmentProblem ``wheel-missing`` with pip's own words.
    """
    python = python or f"{sys.version_info[0]}.{sys.version_info[1]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with disk_errors("the emulated device's runtimes", folder), \
            tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch-") as temporary:
        wheel = _download(project, version, python, Path(temporary))
        made = Path(temporary) / "files"
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith("/") or not any(fnmatch.fnmatch(name, p) for p in patterns):
                    continue
                kept = name if tree else name.partition("/")[2] if "/include/" in name else Path(name).name
                (made / kept).parent.mkdir(parents=True, exist_ok=True)
                with archive.open(name) as source, (made / kept).open("wb") as target:
                    shutil.copyfileobj(source, target)
        if not made.is_dir():
            raise EnvironmentProblem("wheel-missing", f"the wheel of {project} {version} has none of the files needed",
                                     cause=f"looked for {', '.join(patterns)}",
                                     next="install the version of the package that edgekit was built with")
        keep(made, folder)


def _download(project: str, version: str, python: str, folder: Path) -> Path:
    platforms = [part for platform in _PLATFORMS for part in ("--platform", platform)]
    command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps",
               "--only-binary=:all:", "--implementation", "cp", "--python-version", python, *platforms,
               "-d", str(folder), f"{project}=={version}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
        said = done.stderr
    except subprocess.TimeoutExpired:
        said = f"no end after {_SECONDS} s"
    if "No space left on device" in said:
        raise OSError(errno.ENOSPC, f"pip could not write {project} {version}")
    wheels = list(folder.glob("*.whl"))
    if not wheels:
        errors = [line for line in said.strip().splitlines() if "ERROR" in line] or said.strip().splitlines()[-1:]
        raise EnvironmentProblem("wheel-missing", f"the aarch64 wheel of {project} {version} could not be fetched",
                                 cause="; ".join(errors) or "pip said nothing",
                                 next="check the network and `pip config list`, then: edgekit doctor --setup emulator")
    return wheels[0]

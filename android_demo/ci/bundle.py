"""What `edgekit bundle` wrote, checked byte for byte and laid out as Gradle lays it out for one flavor.

``python bundle.py check BUNDLE DEMO [FLAVOR...]`` prints the flavors to build. ``python bundle.py stage BUNDLE DEMO
FLAVOR INTO`` writes INTO/assets, INTO/gen (BuildConfig.java) and, where models travel in an AI pack, INTO/pack.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path

from app import AppFacts, read_app
from documents import NEXT, RUNTIMES, pack_names, pinned, read_bundle
from say import USAGE, stop


def check(bundle: Path, demo: Path, asked: list[str]) -> list[str]:
    """The flavors to build; ends with a sentence where the bundle is not whole or not for this app."""
    read = read_bundle(bundle)
    if unknown := [flavor for flavor in asked if flavor not in read.needs]:
        stop(USAGE, f"the bundle has no model for {', '.join(unknown)}, only for {', '.join(read.needs)}. {NEXT}")
    for flavor, library in read.needs.items():
        if library.rpartition(":")[2] != (version := pinned(demo, flavor)):
            stop(USAGE, f"the {flavor} artifact needs {library}, and the app pins {version}. {NEXT}")
    for file, sha256 in read.files:
        if not file.is_file():
            stop(USAGE, f"{file} is missing, which bundle.json names. {NEXT}")
        if hashlib.sha256(file.read_bytes()).hexdigest() != sha256:
            stop(USAGE, f"{file} is not the file that was exported: its sha256 is not the one in bundle.json. {NEXT}")
    return list(dict.fromkeys(asked)) or list(read.needs)


def stage(bundle: Path, demo: Path, flavor: str, into: Path) -> None:
    """One flavor's folders: assets as Gradle merges them, the generated class, and the AI pack where there is one."""
    assets = into / "assets"
    for source in (bundle / "main", bundle / flavor):
        if source.is_dir():  # a flavor whose model is in a pack may have no files of its own
            shutil.copytree(source, assets, dirs_exist_ok=True)
    runtime = f"{RUNTIMES[flavor]} {pinned(demo, flavor)}"
    generated = into / "gen/dev/edgekit/demo/BuildConfig.java"
    generated.parent.mkdir(parents=True)
    generated.write_text(_build_config(read_app(demo), flavor, runtime))
    if read_bundle(bundle).delivery == "ai-pack":
        pack = into / "pack"
        shutil.copytree(bundle / "ai-pack/src/main/assets", pack / "assets")
        (pack / "AndroidManifest.xml").write_text(_pack_manifest(*pack_names(bundle), read_app(demo).package(flavor)))


def _build_config(app: AppFacts, flavor: str, runtime: str) -> str:
    """The class that Gradle's buildConfig generates for a release build."""
    def text(value: str) -> str:
        return json.dumps(value)  # a Java string literal, for what names and versions hold
    fields = {"boolean DEBUG": "false", "String APPLICATION_ID": text(app.package(flavor)),
              "String BUILD_TYPE": text("release"), "String FLAVOR": text(flavor), "int VERSION_CODE": app.version_code,
              "String VERSION_NAME": text(app.version_name), "String RUNTIME": text(runtime)}
    lines = [f"    public static final {field} = {value};" for field, value in fields.items()]
    return "\n".join(["package dev.edgekit.demo;", "", "public final class BuildConfig {", *lines, "}", ""])


def _pack_manifest(name: str, delivery: str, package: str) -> str:
    """The manifest that Gradle's AI pack plugin makes of its script."""
    return f"""<manifest xmlns:android="http://schemas.android.com/apk/res/android"
    xmlns:dist="http://schemas.android.com/apk/distribution" package="{package}" split="{name}">
    <dist:module dist:type="ai-pack">
        <dist:fusing dist:include="true"/>
        <dist:delivery><dist:{delivery}/></dist:delivery>
    </dist:module>
</manifest>
"""


if __name__ == "__main__":
    verb, bundle_folder, demo_folder, *more = sys.argv[1:]
    if verb == "check":
        print(*check(Path(bundle_folder), Path(demo_folder), more))
    else:
        stage(Path(bundle_folder), Path(demo_folder), more[0], Path(more[1]))

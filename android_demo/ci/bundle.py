"""What `edgekit bundle` wrote, checked byte for byte and laid out as Gradle lays it out for one flavor.

``python bundle.py check BUNDLE DEMO [FLAVOR...]`` prints the flavors to build. ``python bundle.py stage BUNDLE DEMO
FLAVOR INTO`` writes INTO/assets, INTO/gen (BuildConfig.java) and, where models travel in an AI pack, INTO/pack.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app import AppFacts, read_app
from say import USAGE, stop

_BUNDLE, _PROPERTIES = "edgekit/bundle/1", "edgekit/properties/1"
# Flavor -> what Gradle's scripts call its runtime, in the version catalog and in BuildConfig.
_RUNTIMES = {"litert": "litert", "executorch": "executorch", "onnx": "onnxruntime"}
_NEXT = "Next: edgekit bundle OUTPUT --app android_demo"


def check(bundle: Path, demo: Path, asked: list[str]) -> list[str]:
    """The flavors to build; ends with a sentence where the bundle is not whole or not for this app."""
    if not (bundle / "edgekit.properties").is_file():
        stop(USAGE, f"{bundle} holds no bundle of models. {_NEXT}")
    properties, described = _properties(bundle), _described(bundle)
    there = properties["flavors"].split(",")
    if unknown := [flavor for flavor in asked if flavor not in there]:
        stop(USAGE, f"the bundle has no model for {', '.join(unknown)}, only for {', '.join(there)}. {_NEXT}")
    if described["delivery"] != properties["delivery"]:
        stop(USAGE, f"{bundle}: edgekit.properties and bundle.json name different deliveries. {_NEXT}")
    for flavor in there:
        needed, pinned = properties[f"runtime.{flavor}"].rpartition(":")[2], _pinned(demo, flavor)
        if needed != pinned:
            stop(USAGE, f"the {flavor} artifact needs {properties[f'runtime.{flavor}']}, and the app pins {pinned}. "
                 f"{_NEXT}")
    for file, sha256 in _files(bundle, described):
        if not file.is_file():
            stop(USAGE, f"{file} is missing, which bundle.json names. {_NEXT}")
        if hashlib.sha256(file.read_bytes()).hexdigest() != sha256:
            stop(USAGE, f"{file} is not the file that was exported: its sha256 is not the one in bundle.json. {_NEXT}")
    return asked or there


def stage(bundle: Path, demo: Path, flavor: str, into: Path) -> None:
    """One flavor's folders: assets as Gradle merges them, the generated class, and the AI pack where there is one."""
    assets = into / "assets"
    for source in (bundle / "main", bundle / flavor):
        shutil.copytree(source, assets, dirs_exist_ok=True)
    described = _described(bundle)
    runtime = f"{_RUNTIMES[flavor]} {_pinned(demo, flavor)}"
    generated = into / "gen/dev/edgekit/demo/BuildConfig.java"
    generated.parent.mkdir(parents=True)
    generated.write_text(_build_config(read_app(demo), flavor, runtime))
    if described["delivery"] == "ai-pack":
        pack = into / "pack"
        shutil.copytree(bundle / "ai-pack/src/main/assets", pack / "assets")
        (pack / "AndroidManifest.xml").write_text(_pack_manifest(bundle / "ai-pack/build.gradle.kts",
                                                                 read_app(demo).package(flavor)))


def _pinned(demo: Path, flavor: str) -> str:
    catalog = tomllib.loads((demo / "gradle/libs.versions.toml").read_text())
    return str(catalog["versions"][_RUNTIMES[flavor]])


def _properties(bundle: Path) -> dict[str, str]:
    lines = (bundle / "edgekit.properties").read_text().splitlines()
    read = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    if read.get("schema") != _PROPERTIES:
        stop(USAGE, f"{bundle}/edgekit.properties is not of {_PROPERTIES}. {_NEXT}")
    return read


def _described(bundle: Path) -> dict[str, Any]:
    file = bundle / "main/edgekit/bundle.json"
    try:
        read: dict[str, Any] = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        stop(USAGE, f"{file} cannot be read: {error}. {_NEXT}")
    if read.get("schema") != _BUNDLE:
        stop(USAGE, f"{file} is not of {_BUNDLE}. {_NEXT}")
    return read


def _files(bundle: Path, described: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """Each file that bundle.json names, with its sha256."""
    for model in described["models"]:
        own = bundle / model["flavor"]
        packed = described["delivery"] == "ai-pack"
        yield (bundle / "ai-pack/src/main/assets" if packed else own) / model["file"], model["sha256"]
        for vector in model["golden"]:
            for tensor in vector["inputs"] + vector["outputs"]:
                yield own / tensor["file"], tensor["sha256"]


def _build_config(app: AppFacts, flavor: str, runtime: str) -> str:
    """The class that Gradle's buildConfig generates for a release build."""
    def text(value: str) -> str:
        return json.dumps(value)  # a Java string literal, for what names and versions hold
    fields = {"boolean DEBUG": "false", "String APPLICATION_ID": text(app.package(flavor)),
              "String BUILD_TYPE": text("release"), "String FLAVOR": text(flavor), "int VERSION_CODE": app.version_code,
              "String VERSION_NAME": text(app.version_name), "String RUNTIME": text(runtime)}
    lines = [f"    public static final {field} = {value};" for field, value in fields.items()]
    return "\n".join(["package dev.edgekit.demo;", "", "public final class BuildConfig {", *lines, "}", ""])


def _pack_manifest(script: Path, package: str) -> str:
    """The manifest that Gradle's AI pack plugin makes of its script."""
    said = script.read_text()
    name = re.search(r'packName\s*(?:\.set\(|=)\s*"(\w+)"', said)
    delivery = re.search(r'deliveryType\s*(?:\.set\(|=)\s*"(install-time|fast-follow|on-demand)"', said)
    if not name or not delivery:
        stop(USAGE, f"{script} names no packName and deliveryType. {_NEXT}")
    return f"""<manifest xmlns:android="http://schemas.android.com/apk/res/android"
    xmlns:dist="http://schemas.android.com/apk/distribution" package="{package}" split="{name[1]}">
    <dist:module dist:type="ai-pack">
        <dist:fusing dist:include="true"/>
        <dist:delivery><dist:{delivery[1]}/></dist:delivery>
    </dist:module>
</manifest>
"""


if __name__ == "__main__":
    verb, bundle_folder, demo_folder, *more = sys.argv[1:]
    if verb == "check":
        print(*check(Path(bundle_folder), Path(demo_folder), more))
    else:
        stage(Path(bundle_folder), Path(demo_folder), more[0], Path(more[1]))

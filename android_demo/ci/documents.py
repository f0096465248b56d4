"""What this build needs of a bundle's documents and of the app's version catalog, checked as it is read."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from say import USAGE, stop

# Flavor -> what Gradle's scripts call its runtime, in the version catalog and in BuildConfig.
RUNTIMES = {"litert": "litert", "executorch": "executorch", "onnx": "onnxruntime"}
NEXT = "Next: edgekit bundle OUTPUT --app android_demo"
_BUNDLE, _PROPERTIES = "edgekit/bundle/1", "edgekit/properties/1"
_DELIVERIES = ("assets", "ai-pack")
_KINDS: dict[type, str] = {str: "a text", list: "a list", dict: "an object"}


@dataclass(frozen=True)
class Bundle:
    """``needs``: flavor -> its library as GROUP:NAME:VERSION. ``files``: each file and its sha256, by bundle.json."""

    delivery: str
    needs: dict[str, str]
    files: tuple[tuple[Path, str], ...]


def read_bundle(folder: Path) -> Bundle:
    """Ends with a sentence where a document is missing, broken, or not of one bundle with the other."""
    script = folder / "edgekit.properties"
    if not script.is_file():
        stop(USAGE, f"{folder} holds no bundle of models. {NEXT}")
    properties, needs = _properties(script)
    file = folder / "main/edgekit/bundle.json"
    described = _json(file)
    delivery, models = _need(file, described, "delivery", str), _need(file, described, "models", list)
    if delivery not in _DELIVERIES:
        _refuse(file, f"delivery is {delivery!r}, not one of {', '.join(_DELIVERIES)}")
    if delivery != properties.get("delivery"):
        stop(USAGE, f"{folder}: edgekit.properties and bundle.json name different deliveries. {NEXT}")
    flavors = [_need(file, model, "flavor", str, f"models[{index}]") for index, model in enumerate(models)]
    if sorted(flavors) != sorted(needs):
        stop(USAGE, f"{folder}: edgekit.properties is for {', '.join(needs)}, and bundle.json has models for "
             f"{', '.join(flavors) or 'none'}. {NEXT}")
    if delivery == "ai-pack":
        pack_names(folder)
    return Bundle(delivery, needs, tuple(found for index, model in enumerate(models)
                                         for found in _files(folder, delivery, file, model, f"models[{index}]")))


def pinned(demo: Path, flavor: str) -> str:
    """The version of a flavor's runtime in the app's version catalog."""
    catalog, name = demo / "gradle/libs.versions.toml", RUNTIMES[flavor]
    try:
        version = tomllib.loads(catalog.read_text(encoding="utf-8")).get("versions", {}).get(name)
    except (OSError, ValueError, AttributeError) as error:
        stop(USAGE, f"{catalog} cannot be read: {error}. Next: restore the app's own")
    if not isinstance(version, str):
        stop(USAGE, f"{catalog} has no {name} = \"VERSION\" under [versions]. Next: restore the app's own")
    return version


def pack_names(folder: Path) -> tuple[str, str]:
    """The AI pack's name and way of delivery, by its Gradle script."""
    script = folder / "ai-pack/build.gradle.kts"
    said = _text(script)
    name = re.search(r'packName\s*(?:\.set\(|=)\s*"(\w+)"', said)
    delivery = re.search(r'deliveryType\s*(?:\.set\(|=)\s*"(install-time|fast-follow|on-demand)"', said)
    if not name or not delivery:
        _refuse(script, "it names no packName and deliveryType")
    return name[1], delivery[1]


def _properties(file: Path) -> tuple[dict[str, str], dict[str, str]]:
    lines = _text(file).splitlines()
    read = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    if read.get("schema") != _PROPERTIES:
        _refuse(file, f"it is not of {_PROPERTIES}")
    flavors = read.get("flavors", "").split(",")
    if flavors == [""] or (unknown := [flavor for flavor in flavors if flavor not in RUNTIMES]):
        _refuse(file, "flavors is missing" if flavors == [""] else
                f"flavors names {', '.join(unknown)}, and the app has {', '.join(RUNTIMES)}")
    needs = {flavor: read.get(f"runtime.{flavor}", "") for flavor in flavors}
    for flavor, library in needs.items():
        if not re.fullmatch(r"[^:\s]+:[^:\s]+:[^:\s]+", library):
            _refuse(file, f"runtime.{flavor} is {library!r}, not GROUP:NAME:VERSION")
    return read, needs


def _json(file: Path) -> dict[str, Any]:
    try:
        read = json.loads(_text(file))
    except ValueError as error:
        _refuse(file, f"it is not JSON: {error}")
    if not isinstance(read, dict) or read.get("schema") != _BUNDLE:
        _refuse(file, f"it is not of {_BUNDLE}")
    return read


def _files(folder: Path, delivery: str, file: Path, model: Any, place: str) -> Iterator[tuple[Path, str]]:
    own = folder / _need(file, model, "flavor", str, place)
    holder = folder / "ai-pack/src/main/assets" if delivery == "ai-pack" else own
    yield holder / _need(file, model, "file", str, place), _need(file, model, "sha256", str, place)
    for index, vector in enumerate(_need(file, model, "golden", list, place)):
        for side in ("inputs", "outputs"):
            at = f"{place}.golden[{index}]"
            for number, tensor in enumerate(_need(file, vector, side, list, at)):
                one = f"{at}.{side}[{number}]"
                yield own / _need(file, tensor, "file", str, one), _need(file, tensor, "sha256", str, one)


def _need(file: Path, node: Any, key: str, kind: type, place: str = "") -> Any:
    value = node.get(key) if isinstance(node, dict) else None
    if not isinstance(value, kind):
        _refuse(file, f"{place}{'.' if place else ''}{key} is missing or not {_KINDS[kind]}")
    return value


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        _refuse(file, f"it cannot be read ({error})")


def _refuse(file: Path, wrong: str) -> NoReturn:
    stop(USAGE, f"{file}: {wrong}. {NEXT}")

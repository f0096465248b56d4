"""The app bundles: bundletool accepts them, and the models in them and in what a phone gets are what was exported."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from compile_check import FLAVORS, Built, built, fetched, packed, run

__all__ = ["built", "packed"]  # fixtures
pytestmark = pytest.mark.slow


def _bundletool(*arguments: str) -> str:
    return run("java", "-Xmx800m", "-XX:TieredStopAtLevel=1", "-jar", fetched("bundletool") / "bundletool.jar",
               *arguments).stdout


@pytest.mark.parametrize("flavor", FLAVORS)
def test_an_app_bundle_is_valid_and_holds_the_same(built: Built, flavor: str) -> None:
    assert "base" in _bundletool("validate", f"--bundle={built.aab(flavor)}")
    with zipfile.ZipFile(built.aab(flavor)) as bundle, zipfile.ZipFile(built.apk(flavor)) as apk:
        assets = {name for name in apk.namelist() if name.startswith("assets/")}
        assert {f"base/{name}" for name in assets} == {name for name in bundle.namelist() if "/assets/" in name}
        for name in assets:
            assert bundle.read(f"base/{name}") == apk.read(name)
        assert bundle.read("base/dex/classes.dex") == apk.read("classes.dex")
        assert bundle.read(f"base/assets/edgekit/{FLAVORS[flavor]}") == (built.exported / FLAVORS[flavor]).read_bytes()


def test_a_model_in_an_ai_pack(packed: Built, tmp_path: Path) -> None:
    """It is a module of its own, and a phone that gets both finds the model where the app looks for it."""
    model = (packed.exported / "model.tflite").read_bytes()
    with zipfile.ZipFile(packed.aab("litert")) as bundle, zipfile.ZipFile(packed.apk("litert")) as apk:
        modules = {name.split("/")[0] for name in bundle.namelist() if name.endswith("manifest/AndroidManifest.xml")}
        assert modules == {"base", "models"}
        assert bundle.read("models/assets/edgekit/model.tflite") == model
        assert [name for name in bundle.namelist() if name.endswith(".tflite")] == [
            "models/assets/edgekit/model.tflite"]
        assert "assets/edgekit/model.tflite" not in apk.namelist()
    manifest = _bundletool("dump", "manifest", f"--bundle={packed.aab('litert')}", "--module=models")
    assert 'type="ai-pack"' in manifest
    assert "install-time" in manifest
    _bundletool("build-apks", f"--bundle={packed.aab('litert')}", f"--output={tmp_path}/all.apks", "--mode=universal")
    with zipfile.ZipFile(tmp_path / "all.apks") as apks:
        apks.extract("universal.apk", tmp_path)
    with zipfile.ZipFile(tmp_path / "universal.apk") as universal:
        assert universal.read("assets/edgekit/model.tflite") == model
        assert universal.getinfo("assets/edgekit/model.tflite").compress_type == zipfile.ZIP_STORED

"""The packages themselves: manifest, signature, alignment, and models that are byte for byte what was exported."""

from __future__ import annotations

import json
import re
import struct
import sys
import zipfile
from pathlib import Path

import pytest
from compile_check import CI, DEMO, FLAVORS, Built, built, fetched, run

__all__ = ["built"]  # a fixture
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("flavor", FLAVORS)
def test_package_levels_and_launcher(built: Built, flavor: str) -> None:
    said = run("aapt2", "dump", "badging", built.apk(flavor)).stdout
    assert f"package: name='dev.edgekit.demo.{flavor}' versionCode='1' versionName='0.1.0'" in said
    assert "sdkVersion:'26'" in said
    assert "targetSdkVersion:'36'" in said
    assert re.findall(r"launchable-activity: name='([\w.]+)'", said) == ["dev.edgekit.demo.MainActivity"]
    assert "uses-permission" not in said


@pytest.mark.parametrize("flavor", FLAVORS)
def test_only_adbs_shell_may_start_the_benchmark(built: Built, flavor: str) -> None:
    said = run("aapt2", "dump", "xmltree", "--file", "AndroidManifest.xml", built.apk(flavor)).stdout
    activities = {re.search(r'android:?\w*:name\(\w+\)="([\w.]+)"', part)[1]: part  # type: ignore[index]
                  for part in re.split(r"E: activity", said)[1:]}
    assert set(activities) == {"dev.edgekit.demo.MainActivity", "dev.edgekit.demo.BenchmarkActivity"}
    benchmark = activities["dev.edgekit.demo.BenchmarkActivity"]
    assert re.search(r":exported\(\w+\)=true", benchmark)
    assert re.search(r':permission\(\w+\)="android.permission.DUMP"', benchmark)
    assert "intent-filter" not in benchmark
    assert not re.search(r":debuggable\(\w+\)=true", said)


@pytest.mark.parametrize("flavor", FLAVORS)
def test_signed_by_schemes_2_and_3(built: Built, flavor: str) -> None:
    said = run("apksigner", "verify", "--verbose", "-Werr", "--min-sdk-version", "26", built.apk(flavor)).stdout
    assert re.search(r"APK Signature Scheme v2\): true", said)
    assert re.search(r"APK Signature Scheme v3\): true", said)
    assert re.search(r"JAR signing\): false", said)
    run("zipalign", "-c", "4", built.apk(flavor))


@pytest.mark.parametrize("flavor", FLAVORS)
def test_a_changed_package_no_longer_verifies(built: Built, flavor: str, tmp_path: Path) -> None:
    data = bytearray(built.apk(flavor).read_bytes())
    data[data.index((built.exported / FLAVORS[flavor]).read_bytes()) + 100] ^= 1
    (tmp_path / "changed.apk").write_bytes(data)
    assert run("apksigner", "verify", "--min-sdk-version", "26", tmp_path / "changed.apk", check=False).returncode


@pytest.mark.parametrize("flavor", FLAVORS)
def test_assets_are_what_was_exported(built: Built, flavor: str) -> None:
    """The model and the golden vectors, stored and in place; and nothing of another flavor."""
    bundled = json.loads((built.bundle / "main/edgekit/bundle.json").read_text())
    model = next(model for model in bundled["models"] if model["flavor"] == flavor)
    expected = {f"assets/{model['file']}": built.exported / FLAVORS[flavor],
                "assets/edgekit/bundle.json": built.bundle / "main/edgekit/bundle.json"}
    for tensor in (tensor for vector in model["golden"] for tensor in vector["inputs"] + vector["outputs"]):
        expected[f"assets/{tensor['file']}"] = built.exported / "golden" / Path(tensor["file"]).name
    assert len(expected) > 3
    with zipfile.ZipFile(built.apk(flavor)) as apk:
        there = {name: apk.getinfo(name) for name in apk.namelist() if name.startswith("assets/")}
        assert set(there) == set(expected)
        for name, source in expected.items():
            assert apk.read(name) == source.read_bytes()
        assert {there[name].compress_type for name in expected if not name.endswith(".json")} == {zipfile.ZIP_STORED}
        assert not [name for name in apk.namelist() if name.endswith(".so")], "a compile check holds no runtime"


@pytest.mark.parametrize("flavor", FLAVORS)
def test_stored_entries_can_be_mapped(built: Built, flavor: str) -> None:
    assert _misaligned(built.apk(flavor)) == []


def test_gradle_stores_the_same() -> None:
    """What Gradle's build leaves uncompressed is what this one does, in packages and in bundles."""
    script = (DEMO / "app/build.gradle.kts").read_text()
    listed = re.search(r"noCompress \+= listOf\((.*)\)", script)
    assert listed
    endings = set(re.findall(r'"(\w+)"', listed[1]))
    packer = re.search(r"_STORED = \((.*)\)", (CI / "archive.py").read_text())
    assert packer
    assert set(re.findall(r'"\.(\w+)"', packer[1])) == endings | {"so"}
    globs = json.loads((CI / "bundle_config.json").read_text())["compression"]["uncompressedGlob"]
    assert set(globs) == {f"assets/**.{ending}" for ending in endings}


def test_a_native_library_starts_on_16_kib(built: Built, tmp_path: Path) -> None:
    """By the packer that all packages come from, with a real arm64 library, before and after signing."""
    library = fetched("executorch") / "libpthreadpool.so"
    assert library.read_bytes()[:4] == b"\x7fELF"
    assert struct.unpack_from("<H", library.read_bytes(), 18) == (183,)  # AArch64
    inside = tmp_path / "arm64-v8a"
    inside.mkdir()
    (inside / library.name).write_bytes(library.read_bytes())
    unsigned, signed = tmp_path / "unsigned.apk", tmp_path / "signed.apk"
    run(sys.executable, CI / "archive.py", "apk", unsigned, built.work / "litert/base.apk",
        f"{built.work}/litert/assets=assets/", f"{inside}=lib/arm64-v8a/", f"{built.work}/litert/dex=")
    run("apksigner", "sign", "--ks", built.key, "--ks-pass", "pass:android", "--min-sdk-version", "26", "--out", signed,
        unsigned)
    for apk in (unsigned, signed):
        with zipfile.ZipFile(apk) as package:
            entry = package.getinfo(f"lib/arm64-v8a/{library.name}")
            assert entry.compress_type == zipfile.ZIP_STORED
            assert _start(apk, entry) % 16384 == 0
            assert package.read(entry) == library.read_bytes()
        assert _misaligned(apk) == []
        run("zipalign", "-c", "-p", "4", apk)


def _misaligned(apk: Path) -> list[str]:
    with zipfile.ZipFile(apk) as package:
        return [entry.filename for entry in package.infolist() if entry.compress_type == zipfile.ZIP_STORED
                and _start(apk, entry) % (16384 if entry.filename.endswith(".so") else 4)]


def _start(apk: Path, entry: zipfile.ZipInfo) -> int:
    """Where an entry's data begin: after its local header, whose name and extra field have lengths of their own."""
    with apk.open("rb") as stream:
        stream.seek(entry.header_offset + 26)
        name, extra = struct.unpack("<HH", stream.read(4))
    return entry.header_offset + 30 + int(name) + int(extra)

"""The app's core by its own JUnit tests: its classes as compiled, and the packages' own DEX, turned back."""

from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path

import pytest
from compile_check import CI, DEMO, FLAVORS, Built, built, fetched, run

__all__ = ["built"]  # a fixture
pytestmark = pytest.mark.slow

_JAVA = ("java", "-Xmx800m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
_LIBRARIES = ("/usr/share/java/junit4.jar", "/usr/share/java/hamcrest-core.jar", "/usr/share/java/json-android.jar")
_SOURCES = DEMO / "core/src/test"


@pytest.fixture(scope="module")
def tests(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The core's tests, compiled against the core as it is compiled for the app."""
    folder = tmp_path_factory.mktemp("core-tests")
    kotlin = fetched("kotlin")
    arguments = ["-no-stdlib", "-no-reflect", "-language-version", "2.3", "-api-version", "2.3", "-jvm-target", "11",
                 "-Werror", f"-Xfriend-paths={built.work}/core.jar",
                 "-cp", _path(built.work / "core.jar", kotlin / "stdlib.jar", *_LIBRARIES),
                 "-d", str(folder / "tests.jar"), str(_SOURCES)]
    (folder / "arguments").write_text("\n".join(arguments))
    run(*_JAVA, "-cp", kotlin / "compiler.jar", CI / "Kotlin.java", folder / "arguments")
    return folder / "tests.jar"


def test_the_core_as_compiled(built: Built, tests: Path) -> None:
    _pass_all(tests, built.work / "core.jar")


@pytest.mark.parametrize("flavor", FLAVORS)
def test_the_core_in_the_package(built: Built, tests: Path, tmp_path: Path, flavor: str) -> None:
    """The APK's own DEX, turned back into classes; Kotlin's library is the whole one, which the tests need."""
    with zipfile.ZipFile(built.apk(flavor)) as package:
        package.extract("classes.dex", tmp_path)
    run("enjarify", "-o", tmp_path / "all.jar", tmp_path / "classes.dex", PATH=os.defpath)  # it runs Debian's python3
    with zipfile.ZipFile(tmp_path / "all.jar") as turned, zipfile.ZipFile(tmp_path / "core.jar", "w") as core:
        for name in turned.namelist():
            if not name.startswith("kotlin/"):
                core.writestr(name, turned.read(name))
        assert "dev/edgekit/core/ImageInput.class" in core.namelist()
    _pass_all(tests, tmp_path / "core.jar")


def _pass_all(tests: Path, core: Path) -> None:
    with zipfile.ZipFile(tests) as jar:
        classes = [name.removesuffix(".class").replace("/", ".") for name in jar.namelist()
                   if name.endswith("Test.class")]
    written = sum(len(re.findall(r"^\s*@Test\b", file.read_text(), re.MULTILINE)) for file in _SOURCES.rglob("*.kt"))
    assert written > 0
    said = run(*_JAVA, "-cp", _path(core, tests, fetched("kotlin") / "stdlib.jar", *_LIBRARIES, _SOURCES / "resources"),
               "org.junit.runner.JUnitCore", *classes).stdout
    assert f"OK ({written} tests)" in said


def _path(*parts: Path | str) -> str:
    return os.pathsep.join(map(str, parts))

"""The sample app, compiled once for all tests by android_demo/ci/build.sh, out of a bundle that `edgekit bundle` made.

Fixtures, to be imported by name: ``built``, all flavors; ``packed``, one flavor with its model in an AI pack; ``demo``,
an app and a bundle to be spoilt. Where a tool is missing, tests fail and name the command that adds it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from workloads import Exported

from edgekit.types.app import FLAVORS as FORMATS

DEMO = Path(__file__).parents[2] / "android_demo"
CI = DEMO / "ci"
SET_UP = "android_demo/ci/build.sh --setup"
FLAVORS = {flavor.name: flavor.file for flavor in FORMATS.values()}
# Read at import, before the tests get a cache of their own: fetched tools are the same for everybody.
_CACHE = os.environ.get("EDGEKIT_CACHE")


@dataclass(frozen=True)
class Built:
    """``out``: the packages; ``work``: what lay between; ``bundle``: what they hold; ``exported``: what that is of."""

    folder: Path

    out = property(lambda self: self.folder / "out")
    work = property(lambda self: self.folder / "work")
    bundle = property(lambda self: self.folder / "demo/bundle")
    exported = property(lambda self: self.folder / "exported")
    key = property(lambda self: self.folder / "key.p12")

    def apk(self, flavor: str) -> Path:
        return self.folder / f"out/edgekit-demo-{flavor}-compile-check.apk"

    def aab(self, flavor: str) -> Path:
        return self.folder / f"out/edgekit-demo-{flavor}-compile-check.aab"


def run(*command: str | Path, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
    """A program with the tools' own cache; what it said is shown where it fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=600,
                          env=_environment() | env)
    assert not check or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def build(demo: Path, *options: str | Path, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
    """build.sh of a copy of the app."""
    return run("bash", demo / "ci/build.sh", *options, check=check, PYTHON=sys.executable, **env)


def fetched(name: str) -> Path:
    """The folder of a tool of tools.json."""
    return Path(run(sys.executable, CI / "fetch.py", name).stdout.strip().partition("=")[2])


def r8(built: Built, flavor: str, allowed: Path, output: Path) -> subprocess.CompletedProcess[str]:
    """R8 by the build's own arguments, with another list of classes that may be missing."""
    lines = (built.work / flavor / "r8.args").read_text().splitlines()
    places = {str(built.work / flavor / "dex"): str(output),
              str(built.work / flavor / "mapping.txt"): f"{output}.mapping"}
    assert set(places) <= set(lines)
    file = output.with_suffix(".args")
    file.write_text("\n".join(places.get(argument, argument) for argument in lines))
    return run("java", "-Xmx800m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp",
               fetched("bundletool") / "bundletool.jar", CI / "Shrink.java", f"{file}={allowed}", check=False)


def copy_app(into: Path) -> Path:
    """The app without what was built or bundled in it."""
    return Path(shutil.copytree(DEMO, into, ignore=shutil.ignore_patterns("bundle", "build", "out", "__pycache__",
                                                                         ".gradle")))


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Built:
    """All flavors, signed by a key that is kept."""
    def make(folder: Path) -> None:
        _bundle(folder, request.getfixturevalue("exported"))
        run("keytool", "-genkeypair", "-keystore", folder / "key.p12", "-storetype", "PKCS12", "-storepass", "android",
            "-alias", "test", "-keyalg", "RSA", "-keysize", "2048", "-dname", "CN=test")
        build(folder / "demo", "-o", folder / "out", "--work", folder / "work", "--key", folder / "key.p12")
    return Built(_once(tmp_path_factory, "android-built", make))


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Built:
    """LiteRT's flavor, its model in an AI pack."""
    def make(folder: Path) -> None:
        _bundle(folder, request.getfixturevalue("exported"), "--format", "tflite", "--delivery", "ai-pack")
        build(folder / "demo", "-o", folder / "out", "--work", folder / "work")
    return Built(_once(tmp_path_factory, "android packed", make))  # a space, which every step must bear


@pytest.fixture
def demo(built: Built, tmp_path: Path) -> Path:
    """The app with a bundle of its own, to be spoilt."""
    folder = copy_app(tmp_path / "demo")
    shutil.copytree(built.bundle, folder / "bundle")
    return folder


def refused(demo: Path, out: Path, status: int, *words: str, options: Sequence[str] = (), **env: str) -> None:
    """Demands that build.sh ends with that status, by one line with those words, and writes nothing."""
    done = build(demo, "-o", out, *options, check=False, **env)
    assert done.returncode == status
    assert len(done.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in done.stderr
    assert not out.exists()


def _bundle(folder: Path, exported: Exported, *options: str) -> None:
    from edgekit.cli.main import run as edgekit
    shutil.copytree(exported.out, folder / "exported")
    copy_app(folder / "demo")
    assert edgekit(["bundle", str(folder / "exported"), "--app", str(folder / "demo"), *options]) == 0


def _once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder made by the first worker that wants it; the others wait for it."""
    _demand_tools()
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with _locked(folder.with_suffix(".lock")):
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            (folder / "done").touch()
    return folder


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _demand_tools() -> None:
    looked = run(sys.executable, CI / "debian.py", "need", "build", "tests", check=False)
    if looked.returncode:
        pytest.fail(f"{looked.stderr.strip()} (or {SET_UP})")


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "EDGEKIT_CACHE"}
    return kept | ({"EDGEKIT_CACHE": _CACHE} if _CACHE else {})

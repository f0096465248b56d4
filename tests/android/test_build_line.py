"""build.sh as a program: repeatable, and at wrong input one sentence, its exit status and nothing half-written."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sys
import zipfile
from pathlib import Path

import pytest
from compile_check import CI, Built, build, built, demo, r8, refused, run

__all__ = ["built", "demo"]  # fixtures
pytestmark = pytest.mark.slow


def test_the_same_input_and_key_give_the_same_bytes(built: Built, demo: Path, tmp_path: Path) -> None:
    build(demo, "--flavor", "litert", "-o", tmp_path / "again", "--key", built.key)
    for package in (built.apk("litert"), built.aab("litert")):
        assert (tmp_path / "again" / package.name).read_bytes() == package.read_bytes()
    assert len(list((tmp_path / "again").iterdir())) == 2


@pytest.mark.parametrize(("options", "words"), [
    (["--flavor", "tensorflow"], "has no model for tensorflow"), (["--flavour", "onnx"], "unknown option --flavour"),
    (["--flavor"], "--flavor wants a name"), (["--key", "/nowhere/key.p12"], "there is no file /nowhere/key.p12")])
def test_options(demo: Path, tmp_path: Path, options: list[str], words: str) -> None:
    refused(demo, tmp_path / "out", 2, words, options=options)


@pytest.mark.parametrize(("program", "words"), [
    ("aapt2", "missing: aapt2. Next: apt-get install -y aapt"),
    ("javac", "missing: a JDK of version 17 or newer. Next: apt-get install -y default-jdk-headless")])
def test_a_missing_tool(demo: Path, tmp_path: Path, program: str, words: str) -> None:
    """On a path with everything else."""
    (tmp_path / "bin").mkdir()
    for folder in os.environ["PATH"].split(os.pathsep):
        for other in Path(folder).glob("*"):
            link = tmp_path / "bin" / other.name
            if other.name != program and not link.is_symlink():
                link.symlink_to(other)
    refused(demo, tmp_path / "out", 5, words, PATH=str(tmp_path / "bin"))


def test_sources_that_do_not_compile(demo: Path, tmp_path: Path) -> None:
    """The tool's own words are shown, and what an earlier build made stays."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "edgekit-demo-onnx-compile-check.apk").write_text("earlier")
    texts = demo / "app/src/main/res/values/strings.xml"
    texts.write_text(texts.read_text().replace('name="app_name"', 'name="other_name"'))
    done = build(demo, "--flavor", "onnx", "-o", out, check=False)
    assert done.returncode == 3
    assert "resource string/app_name" in done.stderr
    assert 'the step "onnx: resources" failed' in done.stderr
    assert [(file.name, file.read_text()) for file in out.iterdir()] == [
        ("edgekit-demo-onnx-compile-check.apk", "earlier")]


def test_a_place_that_is_taken(demo: Path, tmp_path: Path) -> None:
    """Found before anything is built; the other places keep what they have."""
    out = tmp_path / "out"
    (out / "edgekit-demo-onnx-compile-check.aab").mkdir(parents=True)
    (out / "edgekit-demo-litert-compile-check.apk").write_text("earlier")
    done = build(demo, "-o", out, check=False)
    assert done.returncode == 2
    assert "edgekit-demo-onnx-compile-check.aab is no plain file. Next: move it away" in done.stderr
    assert (out / "edgekit-demo-litert-compile-check.apk").read_text() == "earlier"
    assert len(list(out.iterdir())) == 2
    file = out / "edgekit-demo-litert-compile-check.apk"
    done = build(demo, "-o", file, check=False)
    assert (done.returncode, done.stderr) == (2, f"build.sh: {file} cannot be written. Next: another folder for -o\n")


def test_a_disk_that_is_full(demo: Path, tmp_path: Path) -> None:
    """As `cp` would say it of the last package: what an earlier build made stays, and nothing is left beside it."""
    out, programs = tmp_path / "out", tmp_path / "programs"
    out.mkdir()
    programs.mkdir()
    (out / "edgekit-demo-onnx-compile-check.apk").write_text("earlier")
    (programs / "cp").write_text('#!/bin/sh\n'
                                 'case "$2" in *.aab) echo half >"$2"; echo "No space left" >&2; exit 1;; esac\n'
                                 'PATH=${PATH#*:} exec cp "$@"\n')
    (programs / "cp").chmod(0o755)
    done = build(demo, "--flavor", "onnx", "-o", out, check=False, PATH=f"{programs}:{os.environ['PATH']}")
    assert done.returncode == 3
    assert "onnx-compile-check.aab cannot be copied" in done.stderr
    assert [(file.name, file.read_text()) for file in out.iterdir()] == [
        ("edgekit-demo-onnx-compile-check.apk", "earlier")]


@pytest.mark.parametrize("listed", ["less", "more"])
def test_the_list_of_missing_classes_is_exact(built: Built, tmp_path: Path, listed: str) -> None:
    lines = (CI / "allowed-missing/onnx.txt").read_text().splitlines()
    lines = [line for line in lines if line != "ai.onnxruntime.OrtSession"] if listed == "less" else [
        *lines, "ai.onnxruntime.OnnxMap"]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    done = r8(built, "onnx", tmp_path / "list.txt", tmp_path / "out.zip")
    assert done.returncode == 3
    assert ("Missing class ai.onnxruntime.OrtSession " if listed == "less" else
            "names ai.onnxruntime.OnnxMap, which is not missing") in done.stderr


def test_a_wheel_that_is_not_the_one_in_the_table(tmp_path: Path) -> None:
    """Through the real pip, from a folder: refused by its hash, and nothing kept; with the right hash, kept."""
    wheel = tmp_path / "ground_tool-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as written:
        written.writestr("tool/tool.jar", b"a jar")
        for name, text in (("METADATA", "Metadata-Version: 2.1\nName: ground-tool\nVersion: 1.0\n"), ("RECORD", ""),
                           ("WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")):
            written.writestr(f"ground_tool-1.0.dist-info/{name}", text)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    env = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "EDGEKIT_CACHE": str(tmp_path / "cache")}
    wrong = _fetch(tmp_path, base64.b16encode(bytes(32)).decode().lower(), env)
    assert wrong[0] == 5
    assert f"its sha256 is {digest}" in wrong[1]
    assert [file.name for file in (tmp_path / "cache/android").iterdir()] == ["lock"]
    assert _fetch(tmp_path, digest, env)[0] == 0
    wheel.unlink()  # from here on only the cache can have it
    assert _fetch(tmp_path, digest, env | {"PATH": "/nowhere"})[0] == 0
    (kept,) = (tmp_path / "cache/android").glob("tool-1.0-*/tool.jar")
    assert kept.read_bytes() == b"a jar"


def _fetch(folder: Path, digest: str, env: dict[str, str]) -> tuple[int, str]:
    table = folder / "tools.json"
    table.write_text(json.dumps({"fetched": {"tool": {"from": "pip", "name": "ground-tool", "version": "1.0",
                                                      "sha256": digest, "files": {"tool.jar": "tool/tool.jar"}}}}))
    done = run(sys.executable, CI / "fetch.py", "--table", table, "tool", check=False, **env)
    return done.returncode, done.stderr

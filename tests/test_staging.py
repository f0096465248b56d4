import errno
import json
import os
import subprocess
from pathlib import Path

import pytest

from edgekit.disk import sha256_of
from edgekit.errors import EnvironmentProblem, UsageError
from edgekit.staging import Staging, check_replaceable, is_edgekit_output


def publish(out, text="model"):
    with Staging(out) as staging:
        (staging.folder / "golden").mkdir()
        (staging.folder / "golden" / "a.bin").write_bytes(b"\0\1")
        (staging.folder / "model.onnx").write_text(text)
        staging.publish(tools={"onnx": "1", "torch": "2"}, workload_hash="abc")


def siblings(out):
    return sorted(p.name for p in out.parent.iterdir())


def test_manifest_lists_every_file(tmp_path):
    out = tmp_path / "deep" / "dist"
    publish(out)
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["schema"] == "edgekit/manifest/1"
    assert manifest["workload_hash"] == "abc"
    assert list(manifest["files"]) == ["golden/a.bin", "model.onnx"]
    assert manifest["files"]["model.onnx"] == {"sha256": sha256_of(out / "model.onnx"), "bytes": 5}
    assert list(manifest["tools"]) == ["onnx", "torch"]
    assert siblings(out) == ["dist"]


def test_own_output_is_replaced_whole(tmp_path):
    out = tmp_path / "dist"
    publish(out)
    publish(out, "second")
    assert (out / "model.onnx").read_text() == "second"
    assert siblings(out) == ["dist"]


@pytest.mark.parametrize("name", ["notes.txt", "golden/mine.bin", "pixel-8/model.tflite"])
def test_files_that_somebody_added_are_refused_and_kept(tmp_path, name):
    out = tmp_path / "dist"
    publish(out)
    (out / name).parent.mkdir(exist_ok=True)
    (out / name).write_text("mine")
    with pytest.raises(UsageError, match="did not write") as info:
        publish(out, "second")
    assert info.value.code == "output-not-edgekit"
    assert info.value.cause == name
    assert ((out / name).read_text(), (out / "model.onnx").read_text()) == ("mine", "model")


def test_empty_folder_is_taken(tmp_path):
    (tmp_path / "dist").mkdir()
    publish(tmp_path / "dist")
    assert is_edgekit_output(tmp_path / "dist")


def test_link_to_a_folder_is_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "dist").symlink_to("real")
    publish(tmp_path / "dist")
    assert (tmp_path / "dist").is_symlink()
    assert is_edgekit_output(tmp_path / "real")


@pytest.mark.parametrize("content", ["file", "other manifest", "broken manifest", "folder"])
def test_what_is_not_ours_is_refused_and_kept(tmp_path, content):
    out = tmp_path / "dist"
    if content == "file":
        out.write_text("mine")
    else:
        out.mkdir()
        name, text = {"other manifest": ("manifest.json", '{"schema": "other/1"}'),
                      "broken manifest": ("manifest.json", "{"), "folder": ("thesis.txt", "mine")}[content]
        (out / name).write_text(text)
    with pytest.raises(UsageError) as info, Staging(out):
        pass
    assert info.value.code == "output-not-edgekit"
    assert out.exists()
    assert siblings(out) == ["dist"]


def test_mount_point_is_refused():
    with pytest.raises(UsageError) as info:
        check_replaceable(Path("/proc"))
    assert info.value.code == "output-not-edgekit"


@pytest.mark.parametrize("out", [".", "..", "../work", "/"])
def test_the_working_directory_is_refused(tmp_path, monkeypatch, out):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    with pytest.raises(UsageError) as info:
        check_replaceable(Path(out))
    assert info.value.code == "output-not-edgekit"
    assert "-o" in info.value.next


def stopped_half_way(out, problem):
    with Staging(out) as staging:
        (staging.folder / "model.onnx").write_text("half")
        raise problem


@pytest.mark.parametrize("problem", [KeyboardInterrupt, RuntimeError])
def test_interrupt_leaves_everything_as_it_was(tmp_path, problem):
    with pytest.raises(problem):
        stopped_half_way(tmp_path / "new" / "dist", problem)
    assert list(tmp_path.iterdir()) == []
    out = tmp_path / "dist"
    publish(out)
    with pytest.raises(problem):
        stopped_half_way(out, problem)
    assert (out / "model.onnx").read_text() == "model"
    assert siblings(out) == ["dist"]


def test_failed_swap_rolls_back(tmp_path, monkeypatch):
    out = tmp_path / "dist"
    publish(out)
    rename, calls = os.rename, []

    def second_fails(old, new):
        calls.append(old)
        if len(calls) == 2:
            raise OSError(errno.EIO, "disk trouble")
        rename(old, new)
    monkeypatch.setattr(os, "rename", second_fails)
    with pytest.raises(OSError, match="disk trouble"):
        publish(out, "second")
    assert (out / "model.onnx").read_text() == "model"
    assert siblings(out) == ["dist"]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MiB; skipped where this user may not mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a tmpfs needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_full_disk(small_disk):
    with pytest.raises(EnvironmentProblem) as info, Staging(small_disk / "dist") as staging:
        (staging.folder / "model.onnx").write_bytes(bytes(2 * 2**20))
    assert info.value.code == "disk-full"
    assert list(small_disk.iterdir()) == []


def test_full_disk_as_native_writers_say_it(small_disk):
    import torch
    with pytest.raises(EnvironmentProblem) as info, Staging(small_disk / "dist") as staging:
        torch.save(torch.zeros(2**20), staging.folder / "weights.pt")
    assert info.value.code == "disk-full"
    assert list(small_disk.iterdir()) == []


def test_full_disk_without_a_mount(tmp_path):
    with pytest.raises(EnvironmentProblem) as info, Staging(tmp_path / "dist"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert info.value.code == "disk-full"
    assert list(tmp_path.iterdir()) == []

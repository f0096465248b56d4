import io
import os
import subprocess
import sys
import threading

import pytest

from edgekit.errors import UsageError
from edgekit.pipeline.noise import new_log, noise_to
from edgekit.pipeline.progress import make_progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def tell(kind, stream):
    with make_progress(kind, stream) as progress:
        progress.started("export:onnx")
        progress.ended("export:onnx", 1.26)
        progress.started("capture")
        progress.ended("capture", 0.02, cached=True)
        progress.message("a word about [brackets]")
        progress.started("verify:onnx")
        progress.ended("verify:onnx", 3, failed=True)
    return stream.getvalue()


def test_plain_lines_without_a_terminal():
    assert tell("terminal", io.StringIO()).splitlines() == [
        "export:onnx ...", "export:onnx 1.3 s", "capture ...", "capture cached, 0.0 s", "a word about [brackets]",
        "verify:onnx ...", "verify:onnx failed, 3.0 s"]


def test_live_display_on_a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = tell("terminal", Terminal())
    for fact in ("✓ export:onnx 1.3 s", "✓ capture cached, 0.0 s", "a word about [brackets]",
                 "✗ verify:onnx failed, 3.0 s"):
        assert fact in text
    assert "\x1b[" in text


def test_live_display_from_many_threads(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with make_progress("terminal", stream) as progress:
        def work(i):
            progress.started(f"stage{i}")
            progress.ended(f"stage{i}", 0.1)
        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert all(f"✓ stage{i} 0.1 s" in stream.getvalue() for i in range(8))


def test_none_is_silent(capfd):
    assert tell("none", io.StringIO()) == ""
    assert capfd.readouterr() == ("", "")


def test_unknown_kind():
    with pytest.raises(UsageError), make_progress("loud"):
        pass


NOISY = """
import ctypes, os, subprocess, sys
from pathlib import Path
from edgekit.pipeline.noise import noise_to
libc = ctypes.CDLL(None)
print("before")
libc.printf(b"native before\\n")
with noise_to(Path(sys.argv[1])) as terminal:
    print("python noise")
    libc.printf(b"native noise\\n")  # stays in the C library's buffer until it is flushed
    os.write(2, b"descriptor noise\\n")
    subprocess.run(["echo", "child noise"])
    print("for people", file=terminal)
print("after")
libc.printf(b"native after\\n")
"""


def test_noise_goes_to_the_log_and_nothing_else_does(tmp_path):
    log = tmp_path / "log.txt"
    done = subprocess.run([sys.executable, "-c", NOISY, str(log)], capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split("\n")) == ["", "after", "before", "native after", "native before"]
    assert done.stderr == "for people\n"
    assert set(log.read_text().splitlines()) == {"python noise", "native noise", "descriptor noise", "child noise"}


def test_descriptors_come_back_after_an_error(tmp_path, capfd):
    open_before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(KeyboardInterrupt), noise_to(tmp_path / "log.txt"):
        raise KeyboardInterrupt
    os.write(1, b"back\n")
    assert capfd.readouterr().out == "back\n"
    assert len(os.listdir("/proc/self/fd")) == open_before


def test_new_logs_replace_the_oldest(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path))
    logs = [new_log() for _ in range(33)]
    assert not logs[0].exists()
    assert logs[-1].exists()
    assert len(list((tmp_path / "logs").iterdir())) == 30

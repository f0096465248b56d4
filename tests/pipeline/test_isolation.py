"""Real child processes: crashes, limits, errors, noise, and what becomes of them."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import wait
from pathlib import Path

import numpy as np
import psutil
import pytest

import edgekit
from edgekit.errors import ConversionError, EnvironmentProblem, WorkloadError
from edgekit.pipeline.child import end_children
from edgekit.pipeline.isolation import Limits, run_isolated, start_isolated
from edgekit.workload.user_code import import_file

MIB = 2**20


@pytest.fixture
def run(tmp_path):
    def call(function, limits=None, **kwargs):
        extra = {k: kwargs.pop(k) for k in ("on_progress", "env") if k in kwargs}
        return run_isolated(f"child_targets:{function}", kwargs, name="the test step", log=tmp_path / "log.txt",
                            limits=limits or Limits(seconds=60), **extra)
    return call


def start(tmp_path, function, limits=None, **kwargs):
    return start_isolated(f"child_targets:{function}", kwargs, name=function, limits=limits or Limits(seconds=60),
                          log=tmp_path / f"{function}.txt")


def test_value_time_and_memory_come_back(run):
    value = np.arange(200_000, dtype=np.float32)
    outcome = run("add", a=value, b=value)
    assert np.array_equal(outcome.value, value * 2)
    assert outcome.seconds > 0
    assert outcome.peak_rss_bytes > 10 * MIB


def test_peak_memory_is_the_childs_own(run):
    ballast = np.ones(300 * MIB, dtype=np.uint8)  # the parent's memory must not count
    assert run("add", a=1, b=2).peak_rss_bytes < 150 * MIB
    del ballast
    assert run("hog", megabytes=200, hold=0.0).peak_rss_bytes > 200 * MIB


def test_callers_main_is_not_imported(run):
    assert Path(run("main_module").value).name == "worker.py"


def test_environment(run):
    assert run("environment", name="OMP_NUM_THREADS", env={"OMP_NUM_THREADS": "3"}).value == "3"


def test_temporary_folder_is_the_childs_own_and_goes(run):
    folder = Path(run("environment", name="TMPDIR").value)
    assert folder.name.startswith("edgekit-child-")
    assert not folder.exists()


def test_progress_events_arrive_in_order(run):
    seen = []
    assert run("progress_to", n=3, on_progress=seen.append).value == 3
    assert seen == [{"step": 0}, {"step": 1}, {"step": 2}]


def test_noise_goes_to_the_log_only(run, tmp_path, capfd):
    run("noise")
    assert capfd.readouterr() == ("", "")
    log = (tmp_path / "log.txt").read_text()
    for line in ("python noise", "native noise on stdout", "native noise on stderr", "grandchild noise"):
        assert line in log


def test_crash_names_the_signal_and_the_last_words(run):
    with pytest.raises(ConversionError) as info:
        run("segfault")
    assert info.value.code == "child-crashed"
    assert "SIGSEGV" in info.value.message
    assert "about to read address 0" in info.value.cause
    assert "string_at" in info.value.cause
    assert info.value.where.endswith("log.txt")


def test_time_limit(run):
    began = time.monotonic()
    with pytest.raises(ConversionError) as info:
        run("sleep", limits=Limits(seconds=1), seconds=60)
    assert info.value.code == "child-timeout"
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("function", ["hog", "hog_in_grandchild"])
def test_memory_limit_counts_the_whole_family(run, function):
    with pytest.raises(ConversionError) as info:
        run(function, limits=Limits(seconds=60, memory_bytes=300 * MIB), megabytes=600)
    assert info.value.code == "child-memory"
    assert "315 MB" in info.value.message  # as the command line takes it


def test_edgekit_error_comes_back_as_itself(run):
    with pytest.raises(WorkloadError) as info:
        run("raise_edgekit")
    assert info.value.document() == {"code": "test-code", "message": "a message", "where": "model.py:3",
                                     "cause": "a cause", "next": "a step"}


def test_other_exception_is_shortened_and_its_traceback_logged(run, tmp_path, capfd):
    with pytest.raises(ConversionError) as info:
        run("raise_value_error")
    assert info.value.code == "converter-failed"
    assert info.value.message.endswith("ValueError: first line / second line / third line ...")
    assert "Traceback" in (tmp_path / "log.txt").read_text()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("function", "kind", "code"), [
    ("raise_memory_error", ConversionError, "child-memory"),
    ("raise_disk_full", EnvironmentProblem, "disk-full"),
    ("leave", ConversionError, "converter-failed"),
    ("unpicklable", ConversionError, "converter-failed"),
    ("no_such_function", ConversionError, "converter-failed"),
])
def test_other_endings(run, function, kind, code):
    with pytest.raises(kind) as info:
        run(function)
    assert info.value.code == code


def test_children_run_side_by_side_and_fail_alone(tmp_path):
    began = time.monotonic()
    sleeper, crasher = start(tmp_path, "sleep", seconds=1), start(tmp_path, "segfault")
    adder = start(tmp_path, "add", a=1, b=2)
    wait([sleeper.future, crasher.future, adder.future])
    assert time.monotonic() - began < 10
    assert adder.result().value == 3
    assert sleeper.result().value is None
    assert crasher.peak_rss_bytes > 0
    with pytest.raises(ConversionError, match="SIGSEGV"):
        crasher.result()


def test_cancel_ends_the_child(tmp_path):
    handle = start(tmp_path, "sleep", seconds=60)
    handle.cancel()
    with pytest.raises(ConversionError) as info:
        handle.result()
    assert info.value.code == "child-cancelled"
    assert not psutil.pid_exists(handle.pid)


def test_ending_a_run_ends_its_children_only_and_starts_no_more(tmp_path):
    mine = [start(tmp_path, "sleep", seconds=60) for _ in range(2)]
    (tmp_path / "other").mkdir()
    other = start(tmp_path / "other", "sleep", seconds=1)
    end_children(tmp_path / "sleep.txt")
    for handle in mine:
        with pytest.raises(ConversionError, match="cancelled"):
            handle.result()
    with pytest.raises(ConversionError, match="cancelled"):
        start(tmp_path, "sleep", seconds=60)
    assert other.result().value is None


PARENT = """
import os, sys, threading
sys.path.insert(0, {here!r})
from pathlib import Path
from edgekit.pipeline.child import end_children
from edgekit.pipeline.isolation import Limits, start_isolated
handles = []
def begin():
    handles.append(start_isolated("child_targets:sleep", {{"seconds": 120}}, name="sleeper", limits=Limits(),
                                  log=Path({log!r})))
starter = threading.Thread(target=begin)  # the child must outlive the thread that asked for it
starter.start(); starter.join()
print(handles[0].pid, flush=True)
try:
    handles[0].result()
except KeyboardInterrupt:
    os._exit(130)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_child_dies_with_its_parent(tmp_path, number):
    code = PARENT.format(here=str(Path(__file__).parent), log=str(tmp_path / "log.txt"))
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    child = psutil.Process(int(parent.stdout.readline()))
    time.sleep(1)  # let it get past its start
    assert child.is_running()
    os.kill(parent.pid, number)
    parent.wait(timeout=10)
    psutil.wait_procs([child], timeout=10)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_workloads_folder_shadows_no_package(run, tmp_path):
    folder = tmp_path / "theirs"
    folder.mkdir()
    for name in ("workload_of_theirs", "onnx", "edgekit"):
        (folder / f"{name}.py").write_text("raise ImportError('the one beside the workload')")
    (folder / "workload_of_theirs.py").write_text("")
    known = list(sys.path)
    try:
        import_file(folder / "workload_of_theirs.py")
        assert sys.path[0] == str(folder)
        assert "site-packages" in run("file_of", module="onnx").value
        assert run("file_of", module="edgekit").value == edgekit.__file__
        assert run("file_of", module="workload_of_theirs").value == str(folder / "workload_of_theirs.py")
    finally:
        sys.path[:] = known

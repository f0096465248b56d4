"""Converters' processes that start before there is something to convert."""

from __future__ import annotations

import psutil
import pytest

from edgekit.errors import UsageError
from edgekit.pipeline.converters import Converters
from edgekit.pipeline.isolation import Limits, run_isolated


@pytest.fixture
def converters(tmp_path):
    made = Converters(tmp_path / "log.txt", {"OMP_NUM_THREADS": "1"})
    yield made
    made.close()


def test_a_process_started_ahead_is_the_one_that_converts(converters, tmp_path):
    converters.start_ahead(["onnx"], Limits())
    child = converters.take("onnx", Limits())
    pid = child.pid
    outcome = run_isolated("os:getpid", {}, name="pid", limits=Limits(), log=tmp_path / "log.txt", child=child)
    assert outcome.value == pid
    assert not psutil.pid_exists(pid)
    other = converters.take("onnx", Limits())
    assert other.pid != pid
    other.close()


def test_what_nobody_took_ends(converters):
    converters.start_ahead(["onnx"], Limits())
    (child,) = converters._waiting.values()
    converters.close()
    psutil.wait_procs([psutil.Process(child.pid)] if psutil.pid_exists(child.pid) else [], timeout=10)
    assert not psutil.pid_exists(child.pid)


def test_a_failed_warm_up_is_left_to_the_conversion(converters, tmp_path):
    converters.start_ahead(["no-such-format"], Limits())
    child = converters.take("no-such-format", Limits())
    with pytest.raises(UsageError, match="no-such-format"):
        run_isolated("edgekit.pipeline.tasks:warm_up", {"format_name": "no-such-format"}, name="onnx export",
                     limits=Limits(), log=tmp_path / "log.txt", child=child)

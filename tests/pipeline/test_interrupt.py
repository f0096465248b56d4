"""Ctrl-C while formats convert side by side: children end at once, nothing half-written stays, the program ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

PROGRAM = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
sys.path.insert(0, {here!r})
from edgekit.pipeline.isolation import Limits, result_of, run_isolated
from edgekit.staging import Staging
from edgekit.pipeline.run import Run

def produce(run, name):
    def make(folder):
        (folder / "half").write_text("half")
        run_isolated("child_targets:sleep", {{"seconds": 300}}, name=name, limits=Limits(), log=run.log)
    with run.stage(name) as stage:
        stage.cached(run.cache_key(name, {{}}, None), make)

with Staging(Path({out!r})) as staging, Run.start(progress="terminal", own_terminal=True) as run:
    run.tools = dict  # the versions of torch matter to nobody here
    (staging.folder / "model.onnx").write_text("half")
    pool = ThreadPoolExecutor(2)
    futures = [pool.submit(produce, run, name) for name in ("one", "two")]
    try:
        for future in futures:
            result_of(future)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
"""


def test_interrupt(tmp_path):
    out, cache = tmp_path / "deep" / "dist", tmp_path / "cache"
    code = PROGRAM.format(here=str(Path(__file__).parent), out=str(out))
    program = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "EDGEKIT_CACHE": str(cache)},
                               stderr=subprocess.PIPE, text=True)
    started = {program.stderr.readline().strip() for _ in range(2)}
    assert started == {"one ...", "two ..."}
    process, deadline = psutil.Process(program.pid), time.monotonic() + 30
    while len(children := process.children()) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(children) == 2
    program.send_signal(signal.SIGINT)
    assert program.wait(timeout=20) != 0
    assert "KeyboardInterrupt" in program.stderr.read()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []
    assert [p.name for p in tmp_path.iterdir()] == ["cache"]
    assert list((cache / "building").iterdir()) == []
    assert list((cache / "entries").iterdir()) == []

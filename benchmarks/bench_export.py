"""How long an export takes: edgekit with verification beside the tools' documented default flows, in one run.

MobileNetV2 1.0 224, int8 static, 32 calibration inputs. Every flow runs in a fresh process; wall seconds and peak
memory are medians of three. Memory is summed over a flow's live processes with pages that they share counted once
(proportional set size); the resident sizes, which count them in each, are in the rows.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil
from bench import arguments, claim, note, publish

HERE = Path(__file__).parent
RECIPE = """name: bench-export
formats: [{formats}]
quantize:
  scheme: w8a8-static
  calibration: {{samples: 32}}
fidelity: {{min_sqnr_db: 0, widen: "off"}}
budget: {{size_mb: {size}}}
"""
FORMATS = ("tflite", "executorch", "onnx")


def _bytes(process: psutil.Process) -> tuple[int, int]:
    """Proportional and resident set size: the first shares out pages that several processes map."""
    try:
        info = process.memory_full_info()
    except psutil.Error:
        return 0, 0
    return info.pss, info.rss


def watch(command: list[str], env: dict[str, str], log: Path) -> dict[str, Any]:
    """Runs a command: wall seconds, peak memory over it and its children, exit status."""
    began, peak, peak_rss = time.monotonic(), 0, 0
    with log.open("ab") as file:
        process = psutil.Popen(command, env=env, stdout=file, stderr=file, cwd=HERE)
        ended = threading.Event()

        def sample() -> None:
            nonlocal peak, peak_rss
            while not ended.wait(0.2):
                found = [_bytes(member) for member in [process, *_children(process)]]
                peak = max(peak, sum(pss for pss, _ in found))
                peak_rss = max(peak_rss, sum(rss for _, rss in found))

        thread = threading.Thread(target=sample)
        thread.start()
        status = process.wait()
        ended.set()
        thread.join()
    return {"seconds": time.monotonic() - began, "peak_bytes": peak, "peak_rss_bytes": peak_rss, "status": status}


def _children(process: psutil.Popen) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def default_flow(fmt: str, folder: Path, weights: Path) -> list[str]:
    return [sys.executable, str(HERE / "export_defaults.py"), str(weights), fmt, str(folder / f"default.{fmt}")]


def edgekit_flow(formats: tuple[str, ...], folder: Path, weights: Path, size: float = 9.0) -> list[str]:
    recipe = folder / f"recipe-{size}.yaml"
    recipe.write_text(RECIPE.format(formats=", ".join(formats), size=size))
    return [sys.executable, "-m", "edgekit", "export", str(HERE / "export_model.py"), "--weights", str(weights),
            "--recipe", str(recipe), "-o", str(folder / "out")]


def _run(name: str, command: list[str], cache: Path, log: Path) -> dict[str, Any]:
    row = {"flow": name} | watch(command, {**os.environ, "EDGEKIT_CACHE": str(cache)}, log)
    note(f"{name}: {row['seconds']:.1f} s, {row['peak_bytes'] / 1e6:.0f} MB, exit {row['status']}")
    if row["status"] not in (0, 1):
        raise SystemExit(f"{name} failed: {log.read_text(errors='replace')[-2000:]}")
    return row


def _sqnr(command: list[str]) -> float:
    """SQNR of a default flow's artifact, by the same inputs that edgekit's report uses."""
    out = subprocess.run([*command, "sqnr"], capture_output=True, text=True, check=True, cwd=HERE)
    return float(out.stdout.strip().splitlines()[-1])


def once(folder: Path, quick: bool) -> list[dict[str, Any]]:
    """One round of every flow, each from a cold cache."""
    log, rows = folder / "log.txt", []
    formats = ("onnx",) if quick else FORMATS
    weights = folder / "weights.safetensors"
    subprocess.run([sys.executable, str(HERE / "export_model.py"), str(weights)], check=True)
    for fmt in formats:
        command = default_flow(fmt, folder, weights)
        rows.append(_run(f"default {fmt}", command, folder / "none", log) | {"sqnr_db": _sqnr(command)})
    for fmt in formats:
        single = folder / f"one-{fmt}"
        single.mkdir()
        row = _run(f"edgekit {fmt}", edgekit_flow((fmt,), single, weights), single / "cache", log)
        report = json.loads((single / "out" / "report.json").read_text())
        rows.append(row | {"sqnr_db": report["artifacts"][0]["fidelity"]["sqnr_db"], "stages": report["stages"]})
    for name, size in (("edgekit all", 9.0), ("edgekit all, budget changed", 8.0)):
        row = _run(name, edgekit_flow(formats, folder, weights, size), folder / "cache", log)
        rows.append(row | {"stages": json.loads((folder / "out" / "report.json").read_text())["stages"]})
    return rows


def help_seconds() -> float:
    """Median of five starts of ``edgekit --help``."""
    def start() -> float:
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "edgekit", "--help"], check=True, capture_output=True)
        return time.monotonic() - began

    return statistics.median(start() for _ in range(5))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    rounds: list[list[dict[str, Any]]] = []
    for _ in range(1 if args.quick else args.rounds):
        with tempfile.TemporaryDirectory(prefix="bench-export-") as folder:
            rounds.append(once(Path(folder), args.quick))
    rows = [{**same[0], "seconds": statistics.median(r["seconds"] for r in same),
             "peak_bytes": statistics.median(r["peak_bytes"] for r in same),
             "rounds": [r["seconds"] for r in same]} for same in zip(*rounds, strict=True)]
    by = {r["flow"]: r for r in rows}
    defaults = [r for r in rows if r["flow"].startswith("default")]
    everything = by["edgekit all"]
    claims = [
        claim("all formats with verification / the default flows one after the other",
              everything["seconds"] / sum(r["seconds"] for r in defaults), "ratio", "<=", 0.6),
        claim("second run with a changed budget / first run",
              by["edgekit all, budget changed"]["seconds"] / everything["seconds"], "ratio", "<=", 0.1),
        claim("peak memory / the largest default flow's",
              everything["peak_bytes"] / max(r["peak_bytes"] for r in defaults), "ratio", "<=", 2.0),
    ]
    if "default executorch" in by:
        theirs, ours = by["default executorch"], by["edgekit executorch"]
        claims += [
            claim("ExecuTorch int8 / its default flow", ours["seconds"] / theirs["seconds"], "ratio", "<=", 0.65),
            claim("ExecuTorch int8 SQNR over the default flow's", ours["sqnr_db"] - theirs["sqnr_db"], "dB", ">=",
                  0.0)]
    claims.append(claim("edgekit --help", help_seconds(), "s", "<=", 0.3))
    publish("export", claims, rows, args.out)


if __name__ == "__main__":
    main()

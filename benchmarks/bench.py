"""What every benchmark shares: claims, the machine's facts, and the one JSON document printed last."""

from __future__ import annotations

import argparse
import json
import operator
import os
import platform
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {"<=": operator.le, ">=": operator.ge, "==": operator.eq}


def claim(name: str, value: float | None, unit: str, op: str, goal: float) -> dict[str, Any]:
    """One claim; a value of None (nothing to measure it on) is not met."""
    met = value is not None and bool(_OPERATORS[op](value, goal))
    return {"name": name, "value": value, "unit": unit, "op": op, "goal": goal, "met": met}


def machine() -> dict[str, Any]:
    """What a reader needs to place the figures; no host names. ``sources`` is the hash of edgekit's own."""
    import torch

    from edgekit.pipeline.cache_key import source_hash
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    return {"cpu": model, "cores": os.cpu_count(), "python": platform.python_version(), "torch": torch.__version__,
            "date": date.today().isoformat(), "sources": source_hash()}


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The options that all benchmarks take."""
    parser = argparse.ArgumentParser(description=(description or "").strip().splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smaller version of the same")
    parser.add_argument("--out", type=Path, help="also write the document to this file")
    return parser


def note(text: str) -> None:
    """Progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


def publish(name: str, claims: list[dict[str, Any]], rows: list[dict[str, Any]], out: Path | None) -> None:
    """Prints the document on standard output, last; and writes it to ``out``."""
    document = {"schema": "edgekit/benchmark/1", "benchmark": name, "claims": claims, "rows": rows,
                "machine": machine()}
    text = json.dumps(document, indent=1)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text + "\n")
    print(text)

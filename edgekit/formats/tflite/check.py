"""Whether LiteRT loads and runs a file, asked in a process of its own: a broken file can end that process."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from edgekit.errors import EdgekitError
from edgekit.formats.tflite.runtime import interpreter

__all__ = ["refusal"]

_SECONDS = 600
_REFUSED = 3


def refusal(path: Path) -> str | None:
    """Why LiteRT does not load, or run on zeros, the file; None where it does."""
    try:
        done = subprocess.run([sys.executable, "-m", __name__, str(path)], capture_output=True, text=True,
                              errors="replace", timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"LiteRT did not finish one run in {_SECONDS} s"
    if done.returncode == 0:
        return None
    if done.returncode < 0:
        return f"LiteRT crashed ({signal.Signals(-done.returncode).name}) while it loaded or ran the file"
    lines = (done.stdout if done.returncode == _REFUSED else done.stderr).split("\n")
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), f"exit status {done.returncode}")


def _main(path: Path) -> int:
    try:
        loaded = interpreter(path)
        for detail in loaded.get_input_details():
            loaded.set_tensor(detail["index"], np.zeros(detail["shape"], detail["dtype"]))
        loaded.invoke()
    except EdgekitError as error:
        print(error.cause or error.message)
        return _REFUSED
    except (RuntimeError, ValueError) as error:
        print(" ".join(str(error).split())[:300])
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1])))

"""A folder that runs an artifact on any aarch64 Linux, Android too: runner, runtime, C library and its loader.

Android has no glibc, and boards have older ones: the runner is started by the loader that is pushed beside it.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgekit.contracts import RunSettings
from edgekit.measure.emulated.installation import Installation
from edgekit.measure.job import put_artifact, write_job

__all__ = ["LOADER", "bare_command", "command", "write_portable"]

LOADER = "ld-linux-aarch64.so.1"
_C_LIBRARY = (LOADER, "libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libgcc_s.so.1",
              "libstdc++.so.6")


def write_portable(folder: Path, installation: Installation, artifact: Path, inputs: Sequence[np.ndarray]) -> None:
    """Fills ``folder`` with all that :func:`command` needs, its inputs included."""
    folder.mkdir()
    for name in _C_LIBRARY:
        shutil.copyfile(installation.guest_lib / name, folder / name)
    for library in installation.files.glob("*.so*"):
        shutil.copyfile(library, folder / library.name)
    shutil.copyfile(installation.runner, folder / "runner")
    for name in (LOADER, "runner"):
        (folder / name).chmod(0o755)
    put_artifact(folder, artifact)
    write_job(folder / "job", inputs)
    write_job(folder / "bare", [])


def command(folder: str, installation: Installation, artifact: Path, settings: RunSettings) -> str:
    """The shell command that runs the artifact in the pushed ``folder``; it ends by itself when its time is over."""
    return _runner(folder, installation, settings, "job=job", f"model=model{artifact.suffix}",
                   f"warmup={settings.warmup}", f"repeats={settings.repeats}", f"operators={int(settings.operators)}")


def bare_command(folder: str, installation: Installation, settings: RunSettings) -> str:
    """The same without a model: what runner and runtime take by themselves."""
    return _runner(folder, installation, settings, "job=bare")


def _runner(folder: str, installation: Installation, settings: RunSettings, *arguments: str) -> str:
    limits = f"threads={settings.threads}", f"seconds={max(int(settings.seconds), 1)}"
    library = [f"library=./{installation.library.name}"] if installation.library else []
    # ONNX Runtime leaves a file in the temporary folder
    return (f"cd {shlex.quote(folder)} && TMPDIR=. ./{LOADER} --library-path . ./runner "
            + " ".join(shlex.quote(a) for a in (*library, *arguments, *limits)))

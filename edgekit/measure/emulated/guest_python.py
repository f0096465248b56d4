"""An arm64 Python of Debian under the emulator, for runtimes whose aarch64 wheel has no C library to link."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgekit.devices.catalogue import get_core
from edgekit.devices.profile import Cluster
from edgekit.measure.emulated.device_root import cpu_model, write_root
from edgekit.measure.emulated.installation import emulator

__all__ = ["PACKAGES", "PYTHON", "python_command"]

# Debian 12's, and the last that tflite_runtime has wheels for.
PYTHON = "3.11"
# Of Python's packages and what they depend on, those that the guests import.
PACKAGES = (f"python{PYTHON}-minimal", f"libpython{PYTHON}-minimal", f"libpython{PYTHON}-stdlib", "zlib1g", "libexpat1",
            "libffi8")
_LIBRARIES = ("usr/lib/aarch64-linux-gnu", "lib/aarch64-linux-gnu")
_ADDRESSES = "4096M"  # a backstop: no model of a device needs more


def python_command(folder: Path, device: Path, projects: Sequence[str], cluster: Cluster, script: Path,
                   arguments: Sequence[str], *, plugin: Sequence[str],
                   compiling: bool = False) -> tuple[list[str], dict[str, str]]:
    """The command that runs ``script`` on one of the cluster's cores, in ``folder``, and the emulator's environment.

    Args:
        device: a folder that holds ``PACKAGES`` unpacked, and a folder for each of ``projects`` with its wheel's files.
        plugin: arguments of the counting plugin.
        compiling: lets Python keep its compiled modules.
    """
    tools, counting = emulator()
    core = get_core(cluster.core)
    write_root(folder / "root", core, cluster, 1, tools.guest_lib)
    # links, so that no character of a path means something in the lists below
    for name, target in (("python", device), (script.name, script), ("count.so", counting)):
        (folder / name).symlink_to(target.resolve())
    env = {"PYTHONHOME": "python/usr", "PYTHONPATH": ":".join(f"python/{project}" for project in projects),
           "LD_LIBRARY_PATH": ":".join(f"python/{library}" for library in _LIBRARIES), "OPENBLAS_NUM_THREADS": "1"}
    command = [str(tools.programs["qemu-aarch64"]), "-cpu", cpu_model(core), "-L", str(folder / "root"),
               "-R", _ADDRESSES, *(part for name, value in env.items() for part in ("-E", f"{name}={value}")),
               "-plugin", ",".join(["./count.so", *plugin]), f"python/usr/bin/python{PYTHON}",
               # no site, no user's packages, nothing from the script's own folder
               "-SsP" if compiling else "-SsPB", script.name, *arguments]
    return command, tools.env("qemu-aarch64")

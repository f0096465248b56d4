"""The oldest runtime that boards in the field have: does tflite_runtime 2.14 still load and run a .tflite, and alike?

Its aarch64 library has no C API, only Python's: it runs in an arm64 Python of Debian under the emulator.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.devices.catalogue import get_device
from edgekit.devices.profile import Cluster
from edgekit.disk import cache_folder, disk_errors
from edgekit.errors import ConversionError, EdgekitError, EnvironmentProblem
from edgekit.formats.tflite.flatbuffer import builtin_names
from edgekit.measure.emulated.build import SOURCES
from edgekit.measure.emulated.debian import unpack_foreign
from edgekit.measure.emulated.guest_python import PACKAGES, PYTHON, python_command
from edgekit.measure.emulated.installation import SET_UP, set_up
from edgekit.measure.emulated.process import finish
from edgekit.measure.emulated.wheels import fetch, fetched, keep
from edgekit.measure.job import read_job, write_job

__all__ = ["OLDEST", "OldestRun", "check_oldest", "installed_oldest", "set_up_oldest"]

_VERSION = "2.14.0"
OLDEST = f"tflite_runtime {_VERSION}"
# The last numpy before 2, which it cannot use.
_WHEELS = {"tflite-runtime": _VERSION, "numpy": "1.26.4"}
_BOARD = "raspberry-pi-4b"
_BARE_SECONDS = 300
# What may go wrong while setting up and is told better by who met it.
_OWN_WAY_OUT = ("disk-full", "not-writable", "wheel-missing")
_GUEST = "run_tflite_runtime.py"

# What the runtime says where it lacks an operator -> what that means.
_LACKS = (
    (re.compile(r"builtin opcode '(?P<op>\w+)' version '(?P<version>\d+)'"), "has no version {version} of {op}"),
    (re.compile(r"builtin_code out of range: (?P<number>\d+)"), "does not know {op}"),
    (re.compile(r"unresolved custom op: (?P<op>\S+?)\.(?= |$)"), "has no custom operator {op}"),
    (re.compile(r"Node number \d+ \((?P<op>[^)]+)\) failed to (?P<what>prepare|invoke)"), "cannot {what} {op}"),
)


@dataclass(frozen=True)
class OldestRun:
    """What the oldest runtime made of a file.

    Attributes:
        runtime: its name and version.
        outputs: in the file's own order and dtypes; None where it refused the file.
        refusal: why it did, naming the operator where there is one.
        operator: that operator.
    """

    runtime: str
    outputs: tuple[np.ndarray, ...] | None
    refusal: str | None = None
    operator: str | None = None


def set_up_oldest(say: Callable[[str], None]) -> None:
    """Fetches what :func:`check_oldest` needs, about 85 MB, once; ``say`` takes a line of progress.

    Raises EnvironmentProblem: ``emulator-missing`` with the cause, ``wheel-missing``, ``disk-full``, or what the
    emulator's own set-up raises.
    """
    set_up([], say)
    folder = _folder()
    try:
        if fetched(folder):
            return
    except EnvironmentProblem:
        pass  # damaged: fetched anew
    say(f"fetching {OLDEST} and Python {PYTHON} for aarch64")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with disk_errors("the emulated device's oldest runtime", folder), \
            tempfile.TemporaryDirectory(dir=folder.parent, prefix=".oldest-") as temporary:
        made = Path(temporary) / "device"
        try:
            unpack_foreign(PACKAGES, "arm64", made)
            for link in [p for p in made.rglob("*") if p.is_symlink() and p.readlink().is_absolute()]:
                link.unlink()  # configuration, which would be this machine's
            for project, version in _WHEELS.items():
                fetch(project, version, ["*"], made / project, PYTHON, tree=True)
            # Once by itself, to see that it loads; what Python compiles meanwhile is kept, which saves seconds a run.
            write_job(Path(temporary) / "job", [])
            _run(made, Path(temporary), None, _cluster(), _BARE_SECONDS, compiling=True)
        except EdgekitError as error:
            if error.code in _OWN_WAY_OUT:
                raise
            cause = f"{error.message}: {error.cause}" if error.cause else error.message
            raise EnvironmentProblem("emulator-missing", f"{OLDEST} could not be set up", cause=cause,
                                     next=f"it needs Python {PYTHON} from Debian 12's packages; all else of the "
                                          "emulated device works without it") from error
        keep(made, folder)


def installed_oldest() -> Path:
    """Its folder, checked by the hashes of its files. Raises EnvironmentProblem where it is not set up, or damaged."""
    if not fetched(_folder()):
        raise EnvironmentProblem("emulator-missing", f"{OLDEST} is not set up for the emulated device", next=SET_UP)
    return _folder()


def check_oldest(artifact: Path, inputs: Sequence[np.ndarray], *, cluster: Cluster | None = None,
                 seconds: float = 600) -> OldestRun:
    """Loads and runs a .tflite once by tflite_runtime 2.14.0, single-threaded and with its default kernels.

    Args:
        inputs: in the order, dtypes and layout of the artifact's inputs, as ``TfliteSession.run`` takes them.
        cluster: of the device whose core is emulated; a Raspberry Pi 4's where none is given.

    Raises EnvironmentProblem where it is not set up, ConversionError where the runtime crashes or the inputs do not
    fit, DeviceError where the time is over. A refusal is no error: it is in the result.
    """
    device = installed_oldest()
    with tempfile.TemporaryDirectory(prefix="edgekit-oldest-") as temporary:
        folder = Path(temporary)
        write_job(folder / "job", inputs)
        _run(device, folder, artifact, cluster or _cluster(), seconds)
        try:
            result = read_job(folder / "job", artifact)
        except ConversionError as error:
            step, _, words = str(error.cause).partition(": ")
            if step == "inputs":
                raise
            return OldestRun(OLDEST, None, *_refusal(words))
    return OldestRun(result.runtime, result.outputs)


def _refusal(words: str) -> tuple[str, str | None]:
    """The runtime's own words as a reason, and the operator that they name."""
    for pattern, meaning in _LACKS:
        for match in list(pattern.finditer(words))[-1:]:
            found = match.groupdict()
            if "number" in found:
                found["op"] = builtin_names().get(int(found["number"]), f"operator number {found['number']}")
            return f"{OLDEST} {meaning.format(**found)}; it says: {words}", found["op"]
    return f"{OLDEST} refuses the file; it says: {words}", None


def _run(device: Path, folder: Path, artifact: Path | None, cluster: Cluster, seconds: float, *,
         compiling: bool = False) -> None:
    """Runs the guest in ``folder``, where its job lies. ``compiling`` lets Python keep its compiled modules."""
    arguments = ["job=job"]
    if artifact is not None:
        (folder / "model.tflite").symlink_to(artifact.resolve())
        arguments.append("model=model.tflite")
    # The plugin is there for what it forbids: the guest opens no sockets.
    command, env = python_command(folder, device, list(_WHEELS), cluster, SOURCES / _GUEST, arguments,
                                  plugin=["out=counts.jsonl"], compiling=compiling)
    finish(command, folder, artifact.name if artifact else OLDEST, seconds, env)


def _cluster() -> Cluster:
    return get_device(_BOARD).clusters[0]


def _folder() -> Path:
    return cache_folder() / "emulator" / f"oldest-{_VERSION}"

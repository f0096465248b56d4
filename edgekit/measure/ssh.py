"""``--on ssh:HOST``: a board behind an SSH server, through the OpenSSH client and its configuration."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgekit.contracts import RunSettings, TargetRun
from edgekit.errors import DeviceError, EnvironmentProblem, UsageError
from edgekit.measure.emulated.installation import installed
from edgekit.measure.remote import Done, RemoteRun, no_space

__all__ = ["SshTarget"]

_CONNECT_S = 15
_LOGIN_S = 45
_FAILED = 255  # OpenSSH's own exit status, for connections that fail or end


class SshTarget:
    """See ``contracts.Target``. The address is what ``ssh`` takes: an alias, ``user@host`` or ``ssh://user@host:port``.

    Keys, ports and host keys are those of the user's own OpenSSH configuration (``EDGEKIT_SSH_CONFIG`` names another
    file): nothing is asked for, and unknown host keys are not accepted.
    """

    in_process = False

    def prepare(self, address: str, format_name: str) -> None:
        if not address or address.startswith("-"):
            raise UsageError("target-address", f"ssh needs a host, not '{address}'",
                             next="--on ssh:HOST, as you would call ssh")
        if not shutil.which("ssh"):
            raise EnvironmentProblem("ssh-missing", "the OpenSSH client is not installed",
                                     next="apt-get install openssh-client")
        installation = installed(format_name)
        shell = _SshShell(address)
        shell.run("true", _CONNECT_S + _LOGIN_S)
        shell.connected = True
        self._remote = RemoteRun(shell, installation)

    def run(self, artifact: Path, inputs: Sequence[np.ndarray], settings: RunSettings) -> TargetRun:
        return self._remote.run(artifact, inputs, settings)


class _SshShell:
    """See ``remote.Shell``. Each command is a connection of its own; files go through ``tar`` and ``cat``."""

    def __init__(self, address: str) -> None:
        self.name, self.folder = f"ssh:{address}", os.environ.get("EDGEKIT_TARGET_FOLDER", "/tmp")
        own = os.environ.get("EDGEKIT_SSH_CONFIG")
        self._ssh = ["ssh", *(["-F", own] if own else []), "-T", "-o", "BatchMode=yes",
                     "-o", f"ConnectTimeout={_CONNECT_S}", "-o", "ServerAliveInterval=10",
                     "-o", "ServerAliveCountMax=3", "--", address]
        self.connected = False

    def run(self, command: str, seconds: float) -> Done:
        return self._finish(command, seconds, stdin=subprocess.DEVNULL)

    def push(self, local: Path, remote: str, seconds: float) -> None:
        archive = local.with_suffix(".tar")
        with tarfile.open(archive, "w") as tar:
            tar.add(local, ".")
        with archive.open("rb") as stream:
            where = shlex.quote(remote)
            done = self._finish(f"mkdir -p {where} && tar -xf - -C {where}", seconds, stdin=stream)
        self._check(done, "could not take the runner")

    def pull(self, remote: str, local: Path, seconds: float) -> None:
        with local.open("wb") as stream:
            done = self._finish(f"cat {shlex.quote(remote)}", seconds, stdin=subprocess.DEVNULL, stdout=stream)
        self._check(done, f"could not give {Path(remote).name}")

    def _check(self, done: Done, what: str) -> None:
        if done.status:
            said = done.err.strip() or f"status {done.status}"
            raise no_space(self.name, said) or DeviceError("target-failed", f"{self.name} {what}", cause=said,
                                                           next="check the folder that is used there, "
                                                                f"{self.folder} (EDGEKIT_TARGET_FOLDER)")

    def _finish(self, command: str, seconds: float, **streams: object) -> Done:
        options = {"stdout": subprocess.PIPE, **streams}
        try:
            done = subprocess.run([*self._ssh, command], stderr=subprocess.PIPE, timeout=seconds,
                                  check=False, **options)  # type: ignore[call-overload]
        except subprocess.TimeoutExpired:
            if not self.connected:
                raise self._unreachable(f"no answer within {seconds:g} s") from None
            raise DeviceError("target-timeout", f"{self.name} did not answer within {seconds:g} s",
                              next="check the connection, or give it longer with --timeout") from None
        out, err = (stream.decode(errors="replace") if stream else "" for stream in (done.stdout, done.stderr))
        if done.returncode == _FAILED:
            said = err.strip().splitlines()[-1:] or ["ssh said nothing"]
            if self.connected:
                raise DeviceError("target-lost", f"the connection to {self.name} was lost", cause=said[0],
                                  next="check the network and the target's power, then run it again")
            raise self._unreachable(said[0])
        return Done(done.returncode, out, err)

    def _unreachable(self, cause: str) -> DeviceError:
        return DeviceError("target-unreachable", f"no connection to {self.name}", cause=cause,
                           next=f"make this work first: ssh -o BatchMode=yes {self.name[4:]} true")

"""The first process inside one machine's namespaces: it starts the machine's daemon and carries connections to it.

Started by daemons.py under ``unshare``. It ends when its standard input does, and the kernel ends every process of the
machine with it, however the tests ended. Standard library only: it starts with ``python -S``.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

_LIBC = ctypes.CDLL(None, use_errno=True)
_MS_RDONLY, _MS_REMOUNT, _MS_BIND = 1, 32, 4096
_SECONDS_TO_START = 120


class Filter(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("if_true", ctypes.c_uint8), ("if_false", ctypes.c_uint8),
                ("k", ctypes.c_uint32))


class Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("filters", ctypes.POINTER(Filter)))


class Connections:
    """All connections to the daemon, and when they are cut. ``reach`` makes one."""

    def __init__(self, reach: Callable[[], socket.socket]) -> None:
        self._reach = reach
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._left: int | None = None
        self._how = "restore"
        self._flowing = threading.Event()
        self._flowing.set()

    def cut(self, after: int, how: str) -> None:
        with self._lock:
            self._left, self._how = after, how
            if how == "restore":
                self._left = None
                self._flowing.set()
            elif after == 0:
                self._cut_now()

    def serve(self, listening: socket.socket) -> None:
        while True:
            client, _ = listening.accept()
            threading.Thread(target=self._serve_one, args=(client,), daemon=True).start()

    def _serve_one(self, client: socket.socket) -> None:
        with self._lock:
            gone = self._how == "gone" and self._left is None
        with client, suppress(OSError):
            if gone:
                return
            with self._reach() as device:
                with self._lock:
                    self._open |= {client, device}
                back = threading.Thread(target=self._carry, args=(device, client), daemon=True)
                back.start()
                self._carry(client, device)
                back.join()
                with self._lock:
                    self._open -= {client, device}

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                self._flowing.wait()
                data, last = self._allowed(data)
                sink.sendall(data)
                if last:
                    with self._lock:
                        self._cut_now()
            sink.shutdown(socket.SHUT_WR)
        except OSError:  # one end is gone
            _shut({source, sink})

    def _allowed(self, data: bytes) -> tuple[bytes, bool]:
        """What may still pass, and whether it is the last."""
        with self._lock:
            if self._left is None:
                return data, False
            data = data[:self._left]
            self._left -= len(data)
            return data, self._left == 0

    def _cut_now(self) -> None:
        self._left = None
        if self._how == "hang":
            self._flowing.clear()
        else:
            _shut(self._open)


def main() -> None:
    plan: dict[str, Any] = json.loads(sys.argv[1])
    _own_files(plan["folder"], plan["root"], plan["disks"])
    _loopback_up()
    _older_kernel()
    os.chdir(plan["root"])
    connections = Connections(_one_for_all(plan) if plan["port"] else _one_for_each(plan))
    threading.Thread(target=_reap, daemon=True).start()
    listening = socket.socket(fileno=plan["listening"])
    threading.Thread(target=connections.serve, args=(listening,), daemon=True).start()
    print("ready", flush=True)
    for line in sys.stdin:
        connections.cut(**json.loads(line))
        print("done", flush=True)
    os._exit(0)  # the first process of its namespace: the kernel kills the others


def _own_files(own: str, root: str, disks: dict[str, int]) -> None:
    """Only the machine's own folder can be written: a path that proot leaves as it is must not reach other files."""
    _mount(own, own, "", _MS_BIND, "")
    _mount("tmpfs", "/tmp", "tmpfs", 0, "")  # the only place where proot keeps files of its own
    if os.path.exists("/dev/log"):
        _mount("/dev/null", "/dev/log", "", _MS_BIND, "")  # dropbear must not write into this machine's system log
    for folder, size in disks.items():
        _mount("tmpfs", root + folder, "tmpfs", 0, f"size={size},mode=1777")
    _mount("", "/", "", _MS_REMOUNT | _MS_BIND | _MS_RDONLY, "")


def _mount(source: str, target: str, kind: str, flags: int, options: str) -> None:
    if _LIBC.mount(source.encode(), target.encode(), kind.encode(), flags, options.encode()):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


def _loopback_up() -> None:
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH22x", b"lo", 0x41))  # SIOCSIFFLAGS, IFF_UP | IFF_RUNNING


def _older_kernel() -> None:
    """Answers ENOSYS to system calls that proot 5.1 does not know, as a kernel of 2018 would; also no vsock for adbd.

    Their paths would be looked up among this machine's files. The C library then takes the older calls.
    """
    load, at_least, equal, answer = 0x20, 0x35, 0x15, 0x06
    no_such_call, no_such_family, allow = 0x50000 | errno.ENOSYS, 0x50000 | errno.EAFNOSUPPORT, 0x7FFF0000
    filters = (Filter * 11)(
        Filter(load, 0, 0, 0),  # the call's number
        Filter(at_least, 6, 0, 424),  # all calls since Linux 5.1
        Filter(equal, 5, 0, 316), Filter(equal, 4, 0, 322), Filter(equal, 3, 0, 332),  # renameat2, execveat, statx
        Filter(equal, 0, 4, 41), Filter(load, 0, 0, 16), Filter(equal, 1, 2, 40),  # socket(AF_VSOCK)
        Filter(answer, 0, 0, no_such_call), Filter(answer, 0, 0, no_such_family), Filter(answer, 0, 0, allow))
    program = Program(len(filters), filters)
    if _LIBC.prctl(22, ctypes.c_ulong(2), ctypes.byref(program)):  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
        raise OSError(ctypes.get_errno(), "prctl")


def _one_for_all(plan: dict[str, Any]) -> Callable[[], socket.socket]:
    """Starts a daemon that listens. The machine's network is its own: what listens there is the daemon."""
    daemon = _start(plan, subprocess.DEVNULL)
    end = time.monotonic() + _SECONDS_TO_START
    while not any(" 0A " in Path(f"/proc/net/{table}").read_text() for table in ("tcp", "tcp6")):
        if daemon.poll() is not None or time.monotonic() > end:
            sys.exit("the daemon does not listen")
        time.sleep(0.02)
    return lambda: socket.create_connection(("127.0.0.1", plan["port"]))


def _one_for_each(plan: dict[str, Any]) -> Callable[[], socket.socket]:
    """Starts a daemon for each connection, its standard input, which must be TCP: the daemon asks for its peer."""
    pairs, one_at_a_time = socket.create_server(("127.0.0.1", 0)), threading.Lock()

    def reach() -> socket.socket:
        with one_at_a_time:
            ours = socket.create_connection(pairs.getsockname())
            theirs, _ = pairs.accept()
        with theirs:
            _start(plan, theirs.fileno())
        return ours

    return reach


def _start(plan: dict[str, Any], connection: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(plan["command"], env=plan["env"], stdin=connection, stderr=sys.stderr,
                            stdout=connection if plan["port"] == 0 else sys.stderr)


def _reap() -> None:
    while True:
        try:
            os.wait()
        except ChildProcessError:
            time.sleep(0.2)


def _shut(ends: Iterable[socket.socket]) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    main()

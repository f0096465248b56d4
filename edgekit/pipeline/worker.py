"""The child's side of :mod:`edgekit.pipeline.child`: answers calls one at a time until its parent closes the pipe.

Run as a file by a fresh interpreter (never forked, never re-importing the caller's ``__main__``), so this module uses
the standard library only until the parent has sent its ``sys.path``. Standard output and error are the parent's log.

Messages are pickles, framed by ``multiprocessing.connection``. In: ``sys.path`` once, then ``(target, kwargs,
progress)`` a call. Out: ``("progress", event)`` as they come, then one of ``("value", value, peak)``,
``("error", EdgekitError, peak)``, ``("failed", type, text, peak)``; ``peak`` is this process's peak RSS in bytes.
"""

from __future__ import annotations

import ctypes
import faulthandler
import importlib
import os
import pickle
import resource
import signal
import sys
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Has the kernel kill this process when the parent's watching thread ends, however it ends (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before prctl took effect
        os._exit(1)


def resolve(target: str) -> Any:
    """The function that ``package.module:function`` names."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def _answer(pipe: Connection, request: bytes) -> bytes:
    from edgekit.errors import EdgekitError
    from edgekit.memory import peak_rss_bytes
    try:
        target, kwargs, progress = pickle.loads(request)  # from our own parent, over our own pipe
        if progress:
            kwargs["progress"] = lambda event: pipe.send_bytes(pickle.dumps(("progress", event), protocol=5))
        return pickle.dumps(("value", resolve(target)(**kwargs), peak_rss_bytes()), protocol=5)
    except EdgekitError as error:
        traceback.print_exc()
        return pickle.dumps(("error", error, peak_rss_bytes()), protocol=5)
    except BaseException as error:  # noqa: BLE001 - anything a converter raises, SystemExit too, goes to the parent
        traceback.print_exc()
        kind = "OSError" if isinstance(error, OSError) else type(error).__name__
        detail = error.errno if isinstance(error, OSError) else None
        return pickle.dumps(("failed", kind, str(error), detail, peak_rss_bytes()), protocol=5)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def main(fd: int, parent: int) -> None:
    die_with(parent)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.set_inheritable(fd, False)  # a grandchild that held the pipe would hide our end from the parent
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    faulthandler.enable()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    pipe = Connection(fd)
    sys.path.insert(0, str(Path(__file__).parents[2]))
    importlib.import_module("edgekit")  # the parent's own, wherever others lie on the parent's sys.path
    sys.path[:] = pickle.loads(pipe.recv_bytes())
    while True:
        try:
            request = pipe.recv_bytes()
        except EOFError:
            break
        pipe.send_bytes(_answer(pipe, request))
    # Native libraries may crash or take seconds in their destructors; temporary files are in the parent's care.
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))

"""Functions that the tests run in child processes: well-behaved ones and others."""

import ctypes
import importlib
import os
import subprocess
import sys
import time

import numpy as np

from edgekit.errors import WorkloadError


def add(a, b):
    return a + b


def main_module():
    return getattr(sys.modules["__main__"], "__file__", None)


def environment(name):
    return os.environ.get(name)


def progress_to(n, progress):
    for i in range(n):
        progress({"step": i})
    return n


def noise():
    print("python noise")
    os.write(1, b"native noise on stdout\n")
    os.write(2, b"native noise on stderr\n")
    subprocess.run(["echo", "grandchild noise"], check=True)


def segfault():
    print("about to read address 0")
    ctypes.string_at(0)


def sleep(seconds):
    time.sleep(seconds)


def hog(megabytes, hold=0.3, then_sleep=0.0):
    block = np.ones(megabytes * 2**20, dtype=np.uint8)
    time.sleep(hold)
    del block
    time.sleep(then_sleep)
    return megabytes


def hog_in_grandchild(megabytes):
    code = f"b = bytearray({megabytes} << 20); import time; time.sleep(5)"
    subprocess.run([sys.executable, "-c", code], check=False)


def raise_value_error():
    raise ValueError("first line\nsecond line\n\nthird line\nfourth line")


def raise_memory_error():
    raise MemoryError


def raise_disk_full():
    raise OSError(28, "No space left on device")


def raise_edgekit():
    raise WorkloadError("test-code", "a message", where="model.py:3", cause="a cause", next="a step")


def leave():
    sys.exit(7)


def unpicklable():
    return lambda: None


def file_of(module):
    return importlib.import_module(module).__file__

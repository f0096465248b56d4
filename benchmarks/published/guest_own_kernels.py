"""Runs in the guest: ``python guest_own_kernels.py MODEL``, one warm inference by TensorFlow Lite's own kernels.

The counting plugin is told where it begins and ends.
"""

import ctypes
import sys

import numpy as np
from tflite_runtime import interpreter

MARK, WARM, BEGIN, END = 0x4544, 0, 1, 2  # as edgekit/measure/emulated/guest/count.c has them

libc = ctypes.CDLL(None)
network = interpreter.Interpreter(
    sys.argv[1], num_threads=1,
    experimental_op_resolver_type=interpreter.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
network.allocate_tensors()
one = network.get_input_details()[0]
network.set_tensor(one["index"], np.zeros(one["shape"], one["dtype"]))
for before in (WARM, BEGIN):
    libc.syscall(ctypes.c_long(MARK), ctypes.c_long(before))
    network.invoke()
libc.syscall(ctypes.c_long(MARK), ctypes.c_long(END))

"""Runs inside the emulated arm64 Python: one ncnn network, warm once and then between two marks.

Called with the network's .param file and its input's width, height and channels. Weights are zeros, as in ncnn's own
benchmark; its options are the defaults of that benchmark: light mode, and what the processor has of fp16.
"""

import ctypes
import importlib.util
import sys

MARK, WARM, BEGIN, END = 0x4544, 0, 1, 2  # guest/runner.h

param, width, height, channels = sys.argv[1], *map(int, sys.argv[2:5])
library = importlib.util.find_spec("ncnn").submodule_search_locations[0] + "/ncnn.cpython-311-aarch64-linux-gnu.so"
spec = importlib.util.spec_from_file_location("ncnn", library)  # not the package, which asks for more than it needs
ncnn = importlib.util.module_from_spec(spec)
spec.loader.exec_module(ncnn)
libc = ctypes.CDLL(None)


def mark(what):
    libc.syscall(ctypes.c_long(MARK), ctypes.c_long(what))


net = ncnn.Net()
net.opt.num_threads = 1
net.opt.use_vulkan_compute = False
net.opt.lightmode = True
if net.load_param(param):
    sys.exit("ncnn refuses the network")
net.load_model(ncnn.DataReaderFromEmpty())
image = ncnn.Mat(width, height, channels)
image.fill(0.01)
mark(WARM)
for counted in (False, True):
    extractor = net.create_extractor()
    extractor.input(net.input_names()[0], image)
    if counted:
        mark(BEGIN)
    failed, output = extractor.extract(net.output_names()[-1])
    if counted:
        mark(END)
    if failed:
        sys.exit("ncnn could not run the network")
print(output.w, output.h, output.c)

"""Runs inside the emulated arm64 Python: one ncnn network, warm once and then between two marks.

Called with the network's .param file, its input's width, height and channels, and perhaps "layers": then each layer is
between two marks, one after the other, and "layer" and its name are printed. Weights are zeros, as in ncnn's own
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
with open(param) as file:
    lines = [line.split() for line in file.read().splitlines()[2:]]
# a layer's kind, name and first output; without "layers" only the network's last output is asked for
outputs = [(line[1], line[4 + int(line[2])]) for line in lines if line[0] != "Input"]
each = sys.argv[5:] == ["layers"]
mark(WARM)
for counted in (False, True):
    extractor = net.create_extractor()
    extractor.input(net.input_names()[0], image)
    for name, blob in outputs if each else [("", net.output_names()[-1])]:
        if counted:
            mark(BEGIN)
        failed, output = extractor.extract(blob)
        if counted:
            mark(END)
        if failed:
            sys.exit("ncnn could not run the network")
        if counted and each:
            print("layer", name)

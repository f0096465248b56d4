"""A network of ncnn's benchmark as a list of operators with shapes, multiply-accumulates and bytes.

Shapes are channels, height, width. Most .param files tell them (-23330); for the others the layers that change a shape
are followed here. See github.com/Tencent/ncnn/wiki/param-and-model-file-structure for the format.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

Shape = tuple[int, ...]
_SHAPES, _SIZES, _REST = "-23330", "-23300", -233
_SAME = (-233, -234)
SKIPPED = ("Split", "Noop", "MemoryData", "Dropout", "PriorBox")  # kinds that do nothing when the network runs
# Kinds that ncnn runs on several threads.
PARALLEL = ("pointwise", "depthwise", "convolution", "linear", "attention", "pooling", "BinaryOp", "Eltwise", "Swish",
            "HardSwish")
# Of starting and ending the threads for a layer, what each further group costs, for which they are still awake. Chosen
# by the errors of networks left out, RegNetY's above all; 0.1 to 0.3 do alike.
GROUP_REGION = 0.3


@dataclass(frozen=True)
class Layer:
    """One executed operator. ``weights``: how many. ``kernel`` and ``stride``: of convolutions and poolings, else 1.

    ``groups`` is 1 for depthwise convolutions too, which run at once; ncnn runs other groups one after the other.
    """

    kind: str
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    macs: int = 0
    weights: int = 0
    kernel: int = 1
    stride: int = 1
    groups: int = 1

    @property
    def regions(self) -> float:
        """How often it starts and ends the threads, in times of a layer without groups."""
        return 1 + GROUP_REGION * (self.groups - 1) if self.kind in PARALLEL else 0.0


def read_network(file: Path, side: int, channels: int = 3) -> list[Layer]:
    shapes: dict[str, Shape] = {}
    layers: list[Layer] = []
    for line in file.read_text().splitlines()[2:]:
        kind, _, n_in, n_out, *rest = line.split()
        given, made = rest[:int(n_in)], rest[int(n_in):int(n_in) + int(n_out)]
        p = dict(pair.split("=", 1) for pair in rest[int(n_in) + int(n_out):])
        if kind == "Input":
            shapes[made[0]] = (channels, side, side)
            continue
        inputs = tuple(shapes[name] for name in given)
        outputs = _told(p) if _SHAPES in p else _followed(kind, p, inputs, len(made))
        shapes |= dict(zip(made, outputs, strict=True))
        layers.append(_layer(kind, p, inputs, outputs))
    return [layer for layer in layers if layer.kind not in SKIPPED]


def _told(p: dict[str, str]) -> tuple[Shape, ...]:
    numbers = [int(v) for v in p[_SHAPES].split(",")[1:]]
    return tuple(tuple(numbers[k + 1:k + 4][::-1]) for k in range(0, len(numbers), 4))


def _followed(kind: str, p: dict[str, str], inputs: tuple[Shape, ...], n: int) -> tuple[Shape, ...]:
    get = {int(k): int(float(v)) for k, v in p.items() if "," not in v}.get
    if kind == "MemoryData":
        return ((get(2) or 1, get(1) or 1, get(0) or 1),)
    c, h, w = inputs[0]
    if kind in ("Convolution", "ConvolutionDepthWise", "Pooling"):
        if kind == "Pooling" and get(4):
            return ((c, 1, 1),)
        out = c if kind == "Pooling" else get(0)
        sizes = []
        for size, kernel, dilation, stride, pad, end in ((h, 11, 12, 13, 14, 16), (w, 1, 2, 3, 4, 15)):
            k, s = get(kernel) or get(1), get(stride) or get(3) or 1
            if kind == "Pooling":
                k, s = get(1), get(2) or 1
                dilation = -1
            before = get(pad) if get(pad) is not None else get(4) or 0
            after = get(end) if get(end) is not None else before
            extent = (get(dilation) or get(2) or 1 if kind != "Pooling" else 1) * (k - 1) + 1
            sizes.append(-(-size // s) if before in _SAME else (size + before + after - extent) // s + 1)
        return ((out, *sizes),)
    if kind == "Padding":
        top, bottom, left, right, front, behind = (get(k) or 0 for k in (0, 1, 2, 3, 7, 8))
        return ((c + front + behind, h + top + bottom, w + left + right),)
    if kind == "Slice":
        sizes = [int(v) for v in p[_SIZES].split(",")[1:]]
        known = sum(v for v in sizes if v != _REST)
        each = [v if v != _REST else (c - known) // sizes.count(_REST) for v in sizes]
        return tuple((v, h, w) for v in each)
    if kind == "Concat":
        if (get(0) or 0) == 0 and c > 1:
            return ((sum(s[0] for s in inputs), h, w),)
        return ((c, sum(s[1] for s in inputs), w),)
    if kind == "Interp":
        return ((c, round(h * float(p["1"])), round(w * float(p["2"]))),)
    if kind == "Reshape":  # of vision_transformer: image to rows of channels
        return ((1, c, h * w),)
    if kind == "Permute":
        return ((c, w, h),)
    if kind == "Crop":
        return ((1, 1, w),)
    if kind == "InnerProduct":
        return ((1, _rows(inputs[0]), get(0)),)
    largest = max(inputs, key=math.prod)
    return (largest,) * n


def _rows(shape: Shape) -> int:
    """Of a matrix, whose rows a linear layer goes through; a map is one."""
    return shape[1] if shape[0] == 1 else 1


def _layer(kind: str, p: dict[str, str], inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Layer:
    out = outputs[0]
    pixels = math.prod(out[1:])
    if kind in ("Convolution", "ConvolutionDepthWise", "DeconvolutionDepthWise"):
        weights, kernel, stride = int(p["6"]), int(p["1"]), int(p.get("3", 1))
        place = math.prod(inputs[0][1:]) if kind.startswith("Deconv") else pixels
        pointwise = kernel == 1 and kind == "Convolution"
        groups = int(p.get("7", 1)) if kind != "Convolution" else 1
        depthwise = groups == inputs[0][0] == out[0]
        name = "pointwise" if pointwise else "depthwise" if depthwise else "convolution"
        return Layer(name, inputs, outputs, weights * place, weights, kernel, stride, 1 if depthwise else groups)
    if kind == "InnerProduct":
        weights = int(p["2"])
        return Layer("linear", inputs, outputs, weights * _rows(inputs[0]), weights)
    if kind == "MultiHeadAttention":
        wide, tokens = int(p["0"]), inputs[0][1]
        macs = 4 * wide * wide * tokens + 2 * tokens * tokens * wide
        return Layer("attention", inputs, outputs, macs, 4 * wide * wide)
    if kind == "Pooling":
        window = inputs[0][1] if p.get("4") == "1" else int(p["1"])
        return Layer("pooling", inputs, outputs, kernel=window, stride=int(p.get("2", 1)))
    return Layer(kind, inputs, outputs)

"""Architectures of two search spaces as operators of a float32 TFLite graph, batch norms folded. Nothing is run.

FBNet's: Wu et al., "FBNet", CVPR 2019, as HW-NAS-Bench (Li et al., ICLR 2021) has it: 22 blocks of nine choices.
NAS-Bench-201's: Dong and Yang, ICLR 2020: five cells of six edges a stage, three stages, CIFAR-10.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache

from edgekit.estimate.kernels import Operator

SIZE = 4  # bytes of a float32
PIXEL = 9  # channels' worth that a depthwise convolution spends on finding each window (edgekit/estimate/operators.py)
Operators = Counter[Operator]
# FBNet: (expansion, kernel, groups) by the digit of the architecture; the ninth passes on.
BLOCKS = {"0": (1, 3, 1), "1": (1, 3, 2), "2": (3, 3, 1), "3": (6, 3, 1),
          "4": (1, 5, 1), "5": (1, 5, 2), "6": (3, 5, 1), "7": (6, 5, 1), "8": None}
STAGES = ((1, 16), (4, 24), (4, 32), (4, 64), (4, 112), (4, 184), (1, 352))  # blocks, channels
STEM = 16


@dataclass(frozen=True)
class Setting:
    """What HW-NAS-Bench's two settings of FBNet's space differ in. ``strides``: the stem's, then each stage's."""

    side: int
    strides: tuple[int, ...]
    head: int
    classes: int


SETTINGS = {"imagenet": Setting(224, (2, 1, 2, 2, 2, 1, 2, 1), 1984, 1000),
            "cifar100": Setting(32, (1, 1, 1, 2, 2, 1, 2, 1), 1504, 100)}
# NAS-Bench-201: an edge's (from, to) by its place in the architecture; the digits: none, skip, 1x1, 3x3, average.
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
NONE, SKIP, ONE, THREE, AVERAGE = "01234"
CELLS, WIDTHS, IMAGE, LABELS = 5, (16, 32, 64), 32, 10


def _operator(kernel: str, macs: float, inputs: float, outputs: float, weights: float = 0, rows: float = 0) -> Operator:
    return Operator(f"{kernel}.float32", macs, inputs, outputs, inputs * SIZE, outputs * SIZE, weights * SIZE,
                    rows=rows)


def convolution(c: int, out: int, k: int, side: int, stride: int = 1) -> Operator:
    weights, pixels = c * out * k * k, (side // stride)**2
    kernel = "image" if c < 4 else "gemm" if k == 1 else "conv"
    return _operator(kernel + ("_odd" if out % 8 else ""), weights * pixels, c * side * side, out * pixels, weights,
                     pixels)


def depthwise(c: int, k: int, side: int, stride: int) -> Operator:
    pixels = (side // stride)**2
    return _operator(f"depthwise{k}x{k}", (c + PIXEL) * k * k * pixels, c * side * side, c * pixels, c * k * k)


def over(kernel: str, n: float, out: float | None = None) -> Operator:
    """An operator without weights that reads ``n`` elements."""
    return _operator(kernel, 0, n, n if out is None else out)


@cache
def classifier(c: int, labels: int, side: int) -> Operators:
    return Counter([over("mean", c * side * side, c), _operator("linear", c * labels, c, labels, c * labels)])


def fbnet(arch: str, setting: Setting) -> Operators:
    stem, *strides = setting.strides
    found, c, side = Counter([convolution(3, STEM, 3, setting.side, stem)]), STEM, setting.side // stem
    blocks = iter(arch)
    for (count, out), stage_stride in zip(STAGES, strides, strict=True):
        for k in range(count):
            stride = stage_stride if k == 0 else 1
            found.update(_block(next(blocks), c, out, side, stride))
            c, side = out, side // stride
    found[convolution(c, setting.head, 1, side)] += 1
    found.update(classifier(setting.head, setting.classes, side))
    return found


@cache
def _block(choice: str, c: int, out: int, side: int, stride: int) -> Operators:
    same = c == out and stride == 1
    if (block := BLOCKS[choice]) is None:
        return Counter() if same else Counter([convolution(c, out, 1, side, stride)])
    expansion, k, groups = block
    middle, after = c * expansion, side // stride
    found = (_grouped(c, middle, side, groups) + Counter([depthwise(middle, k, side, stride)])
             + _grouped(middle, out, after, groups))
    if groups > 1:  # the shuffle of channels between them
        found[over("transpose", middle * side * side)] += 1
    if same:
        found[over("arithmetic", 2 * out * after * after, out * after * after)] += 1
    return found


def _grouped(c: int, out: int, side: int, groups: int) -> Operators:
    """Converters write a convolution a group, with a split before and a concatenation behind."""
    if groups == 1:
        return Counter([convolution(c, out, 1, side)])
    return Counter({convolution(c // groups, out // groups, 1, side): groups, over("copy", c * side * side): 1,
                    over("copy", out * side * side): 1})


def executed(arch: str) -> str:
    """Without the edges of NAS-Bench-201 into a node that nothing reads.

    Such a node stays where one of its inputs is "none": a sum with zeros, which the converter's folding does not see
    through. Both rules are read from the rows: networks that they make one take the same time.
    """
    _, zero_two, one_two, _, one_three, two_three = arch
    two = two_three != NONE or NONE in (zero_two, one_two)
    one = one_three != NONE or (two and (one_two != NONE or zero_two == NONE))
    stays = {1: one, 2: two, 3: True}
    return "".join(op if stays[b] else NONE for (_, b), op in zip(EDGES, arch, strict=True))


def nasbench201(arch: str) -> Operators:
    found, side = Counter([convolution(3, WIDTHS[0], 3, IMAGE)]), IMAGE
    for k, c in enumerate(WIDTHS):
        if k:
            found.update(_reduction(WIDTHS[k - 1], c, side))
            side //= 2
        found.update({operator: times * CELLS for operator, times in _cell(arch, c, side).items()})
    found[over("elementwise", WIDTHS[-1] * side * side)] += 1
    found.update(classifier(WIDTHS[-1], LABELS, side))
    return found


@cache
def _cell(arch: str, c: int, side: int) -> Operators:
    n, found = c * side * side, Counter[Operator]()
    for op in arch:
        if op in (ONE, THREE):  # each with a ReLU of its own before it
            found.update([over("elementwise", n), convolution(c, c, 3 if op == THREE else 1, side)])
        elif op == AVERAGE:
            found[_operator("avg_pool", 9 * n, n, n)] += 1
    for node in (1, 2, 3):
        into = sum(b == node and op != NONE for (_, b), op in zip(EDGES, arch, strict=True))
        if into > 1:
            found[over("arithmetic", 2 * n, n)] += into - 1
    return found


@cache
def _reduction(c: int, out: int, side: int) -> Operators:
    after = out * (side // 2)**2
    return Counter([over("elementwise", c * side * side), convolution(c, out, 3, side, 2), over("elementwise", after),
                    convolution(out, out, 3, side // 2), _operator("avg_pool", c * side * side, c * side * side,
                                                                   c * (side // 2)**2),
                    convolution(c, out, 1, side // 2), over("arithmetic", 2 * after, after)])


def macs_of(operators: Operators) -> float:
    """Multiply-accumulates of the convolutions and the linear layer."""
    total = 0.0
    for op, times in operators.items():
        if op.kernel.startswith("depthwise"):  # without what finding the windows costs
            c = op.weight_bytes / SIZE / int(op.kernel[9])**2
            total += times * op.macs * c / (c + PIXEL)
        elif not op.kernel.startswith("avg_pool"):
            total += times * op.macs
    return total

"""The single operators that are counted: small PyTorch modules of one operator each, by the kernel they are to show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.nn import functional as F

FLOAT, STATIC, DYNAMIC = "fp32", "w8a8-static", "w8a8-dynamic"


class Apply(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


class Pair(Apply):
    """The same of two inputs."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return self.function(x, y)


@dataclass(frozen=True)
class Case:
    """``name`` is the family and the shape, by which rows are found again; ``schemes`` that are worth counting."""

    name: str
    make: Callable[[], nn.Module]
    shapes: tuple[tuple[int, ...], ...]
    schemes: tuple[str, ...]
    image: bool = True  # whether its inputs are maps of channels, whose layout is the format's
    weighted: bool = False  # whether it has constants, which exporters quantise with everything around them


# Input channels, output channels, side: layers of published mobile networks, and some that divide into no tile.
_POINTWISE = ((16, 16, 28), (16, 96, 28), (96, 24, 28), (32, 64, 28), (24, 144, 14), (144, 32, 14), (64, 384, 14),
              (40, 120, 14), (184, 80, 7), (192, 64, 7), (576, 160, 7), (320, 640, 7), (8, 20, 28), (100, 36, 14),
              (96, 24, 1), (120, 480, 1), (576, 144, 1), (240, 960, 1))  # of one pixel: those of squeeze-and-excitation
_LINEAR = ((1280, 1000), (576, 1024), (256, 64), (16, 8), (96, 24), (128, 512), (1024, 10))
# Input channels, output channels, window, stride, side.
_WINDOWS = ((16, 32, 3, 1, 28), (32, 64, 3, 2, 28), (64, 64, 3, 1, 14), (128, 128, 3, 1, 7), (24, 40, 5, 1, 14),
            (64, 96, 3, 2, 14), (48, 64, 5, 2, 14), (256, 128, 3, 1, 7), (16, 24, 3, 1, 14), (32, 48, 7, 2, 14))
_IMAGE = ((3, 16, 3, 2, 64), (3, 32, 3, 2, 96), (3, 64, 7, 2, 64), (3, 24, 3, 1, 32), (3, 8, 5, 2, 64))
# Channels, window, stride, side.
_DEPTHWISE = ((16, 3, 1, 28), (32, 3, 1, 28), (64, 3, 2, 28), (96, 3, 2, 28), (24, 3, 1, 14), (144, 3, 1, 14),
              (192, 3, 1, 14), (576, 3, 2, 14), (384, 3, 1, 7), (960, 3, 1, 7), (72, 5, 2, 28), (120, 5, 1, 14),
              (96, 5, 2, 14), (240, 5, 1, 14), (576, 5, 1, 7), (672, 5, 2, 14), (64, 7, 1, 14), (192, 7, 1, 7),
              (96, 9, 1, 14), (32, 7, 2, 28))
_MAPS = ((16, 28), (96, 14), (576, 7))
_BOTH, _ALL = (FLOAT, STATIC), (FLOAT, STATIC, DYNAMIC)


def _conv(i: int, o: int, k: int, s: int, groups: int = 1) -> Callable[[], nn.Module]:
    return lambda: nn.Conv2d(i, o, k, s, k // 2, groups=groups)


def _weighted() -> Iterator[Case]:
    for i, o, side in _POINTWISE:
        yield Case(f"pointwise {i} {o} {side}", _conv(i, o, 1, 1), ((1, i, side, side),), _ALL)
    for i, o, k, s, side in (*_WINDOWS, *_IMAGE):
        yield Case(f"conv {i} {o} {k} {s} {side}", _conv(i, o, k, s), ((1, i, side, side),), _ALL)
    for c, k, s, side in _DEPTHWISE:
        yield Case(f"depthwise {c} {k} {s} {side}", _conv(c, c, k, s, c), ((1, c, side, side),), _ALL)
    for i, o in _LINEAR:
        yield Case(f"linear {i} {o}", lambda i=i, o=o: nn.Linear(i, o), ((1, i),), _ALL)  # type: ignore[misc]
    for rows, i, o in ((64, 128, 256), (16, 384, 96), (197, 64, 64)):
        yield Case(f"linear {i} {o} rows {rows}", lambda i=i, o=o: nn.Linear(i, o),  # type: ignore[misc]
                   ((1, rows, i),), _ALL)
    for i, o, k, s, side in ((16, 16, 2, 2, 14), (32, 16, 4, 2, 14), (64, 32, 3, 2, 7), (24, 12, 2, 2, 14)):
        yield Case(f"transposed {i} {o} {k} {s} {side}",
                   lambda i=i, o=o, k=k, s=s: nn.ConvTranspose2d(i, o, k, s, (k - s + 1) // 2),  # type: ignore[misc]
                   ((1, i, side, side),), _BOTH)


def _products() -> Iterator[Case]:
    for heads, rows, inner, columns in ((4, 64, 32, 64), (2, 197, 16, 197), (8, 50, 64, 50), (1, 16, 128, 96)):
        yield Case(f"matmul {heads} {rows} {inner} {columns}", lambda: Pair(torch.matmul),
                   ((1, heads, rows, inner), (1, heads, inner, columns)), _BOTH)


class Recurrent(nn.Module):
    """A GRU or an LSTM, without its last state."""

    def __init__(self, kind: str, inputs: int, hidden: int) -> None:
        super().__init__()
        self.layer = getattr(nn, kind)(inputs, hidden, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.layer(x)[0]
        return result


def _recurrent() -> Iterator[Case]:
    for kind, i, h, steps in (("GRU", 40, 64, 20), ("GRU", 64, 128, 8), ("GRU", 16, 256, 4), ("LSTM", 40, 64, 20),
                              ("LSTM", 64, 128, 8), ("LSTM", 128, 32, 30)):
        yield Case(f"{kind.lower()} {i} {h} {steps}",
                   lambda kind=kind, i=i, h=h: Recurrent(kind, i, h),  # type: ignore[misc]
                   ((1, steps, i),), _BOTH, image=False)


Function = Callable[..., torch.Tensor]
_OF_VALUES: dict[str, Function] = {
    "relu": F.relu, "hard_swish": F.hardswish, "hard_sigmoid": F.hardsigmoid, "sigmoid": torch.sigmoid,
    "tanh": torch.tanh, "gelu": F.gelu, "silu": F.silu, "leaky_relu": lambda x: F.leaky_relu(x, 0.1),
    "times_constant": lambda x: x * 1.7, "add": torch.add, "mul": torch.mul}
# Of a map, whose converters put the channels last where the runtime wants them so.
_OF_WINDOWS: dict[str, Function] = {
    "max_pool2": lambda x: F.max_pool2d(x, 2, 2), "max_pool3": lambda x: F.max_pool2d(x, 3, 2, 1),
    "avg_pool2": lambda x: F.avg_pool2d(x, 2, 2),
    "bilinear": lambda x: F.interpolate(x, scale_factor=2.0, mode="bilinear"),
    "nearest": lambda x: F.interpolate(x, scale_factor=2.0)}
_OF_ROWS: dict[str, Function] = {
    "softmax": lambda x: F.softmax(x, -1), "layer_norm": lambda x: F.layer_norm(x, x.shape[-1:]),
    "sum": lambda x: x.sum(-1), "argmax": lambda x: x.argmax(-1)}
_PAIRS = ("add", "mul", "concat", "gate")


def _of_places(last: bool) -> dict[str, Function]:
    """Of a map whose channels are the last or the second dimension."""
    channel, high, wide = (3, 1, 2) if last else (1, 2, 3)
    border = (0, 0, 1, 1, 1, 1) if last else (1, 1, 1, 1)
    return {"mean": lambda x: x.mean((high, wide)), "gate": torch.mul,
            "concat": lambda x, y: torch.cat([x, y], channel), "pad": lambda x: F.pad(x, border),
            "slice": lambda x: x.narrow(high, 1, x.shape[high] - 1).narrow(wide, 2, x.shape[wide] - 2),
            "transpose": lambda x: x.transpose(1, 2),
            "turn": lambda x: x.permute(*((0, 3, 1, 2) if last else (0, 2, 3, 1))),
            "reshape": lambda x: x.reshape(1, -1, x.shape[3])}


def _plain(last: bool) -> Iterator[Case]:
    for channels, side in _MAPS:
        first = (1, channels, side, side)
        natural = (1, side, side, channels) if last else first
        one = (1, 1, 1, channels) if last else (1, channels, 1, 1)
        for name, function in {**_OF_VALUES, **_of_places(last)}.items():
            second = ((one if name == "gate" else natural),) if name in _PAIRS else ()
            yield Case(f"{name} {channels} {side}", _applied(function, len(second)), (natural, *second), _BOTH, False)
        yield Case(f"border {channels} {side}", _applied(torch.mul, 1), (natural, natural), (STATIC,), False)
        for name, function in _OF_WINDOWS.items():
            yield Case(f"{name} {channels} {side}", _applied(function), (first,), _BOTH)
    for rows in ((1, 1000), (197, 197), (32, 384)):
        for name, function in _OF_ROWS.items():
            yield Case(f"{name} {rows[0]} {rows[1]}", _applied(function), ((1, *rows),), _BOTH, False)


def _applied(function: Function, more: int = 0) -> Callable[[], nn.Module]:
    return lambda: (Pair if more else Apply)(function)


def _chain(count: int) -> Callable[[], nn.Module]:
    return lambda: Apply(lambda x: _repeated(x, count))


def _repeated(x: torch.Tensor, count: int) -> torch.Tensor:
    for _ in range(count):
        x = torch.tanh(x)
    return x


# What a call of the runtime costs beside its operators: chains of the smallest operators, extrapolated to none.
CHAINS = (1, 9)
_EMPTY = tuple(Case(f"chain {n}", _chain(n), ((1, 4),), _BOTH) for n in CHAINS)


def cases(last: bool) -> list[Case]:
    """All of them; ``last``: for a runtime that has channels last, whose converter unrolls recurrent layers."""
    weighted = (*_weighted(), *(() if last else _recurrent()))
    return [*_EMPTY, *(replace(case, weighted=True) for case in weighted), *_products(), *_plain(last)]

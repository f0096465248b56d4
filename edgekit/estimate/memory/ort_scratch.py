"""What ONNX Runtime's kernels take from its arena for themselves, while they run."""

from __future__ import annotations

from math import prod

from edgekit.types.graph import Constant, Op, OpGraph

__all__ = ["bytes_of", "is_dense", "scratch_of", "unpacked_in_runs"]

_POINTER = 8
_CHANNELS, _DEEP = 8, 64  # int8 kernels that read by addresses: a multiple of channels, and not fewer going in
_OVERRUN = 30  # bytes that a kernel may read behind the last window (MLAS_SYMM_QGEMM_BUF_OVERRUN)
_SEGMENT = 4 * 128 * 128  # of a float convolution's windows, laid out for a product (MLAS_SGEMM_STRIDEN x STRIDEK)


def scratch_of(graph: OpGraph, op: Op) -> list[int]:
    """Bytes that the kernel takes from the arena for itself.

    A recurrent layer's int8 weights become float32. A transposed convolution takes all its products, others what their
    windows need.
    """
    unpacked = [4 * c.bytes for c in op.constants if unpacked_in_runs(op, c)]
    weight = next((c for c in op.constants if c.role == "weight"), None)
    if unpacked or weight is None:
        return unpacked
    if op.name == "ConvTranspose":  # weights [in, out, kernel]: all products of each input place
        return [sum(bytes_of(graph, name) for name in op.inputs[:1]) // weight.shape[0] * prod(weight.shape[1:])]
    if op.name in ("Conv", "FusedConv"):
        return _windows(graph, op, weight)
    return _int8_windows(graph, op, weight) if op.name == "QLinearConv" else []


def _int8_windows(graph: OpGraph, op: Op, weight: Constant) -> list[int]:
    """Addresses of windows where the kernel reads by these, else sums in int32 beside the windows laid out
    (``qlinearconv.cc``, ``convsym.cpp``); weights [out, in, kernel]."""
    result, kernel = bytes_of(graph, op.outputs[0]), prod(weight.shape[2:])
    pixels = result // weight.shape[0]
    addresses, sums = _POINTER * kernel * pixels, 4 * result
    aligned = weight.shape[0] % _CHANNELS == 0
    if op.kind == "depthwise_conv":
        return [addresses] if aligned else [sums, addresses]
    if kernel == 1:
        return [sums]
    if aligned and weight.shape[1] % _CHANNELS == 0 and weight.shape[1] >= _DEEP:
        return [addresses]
    return [sums, prod(weight.shape[1:]) * pixels + _OVERRUN]


def _windows(graph: OpGraph, op: Op, weight: Constant) -> list[int]:
    """Windows of a float convolution, laid out for a product in segments or whole (``convolve.cpp``)."""
    before, after = _borders(graph, op)
    if len(before) < 3 or len(after) < 3:  # of unknown shape
        return []
    pixels = prod(d for d in after[2:] if isinstance(d, int))
    groups = before[1] // weight.shape[1] if isinstance(before[1], int) else 1
    dense = is_dense(graph, op)
    if dense and prod(weight.shape[2:]) == 1:
        return []
    if weight.shape[0] // groups > pixels:
        return [4 * pixels * prod(weight.shape[1:])]
    if dense and op.kind == "depthwise_conv" and weight.shape[2:] == (3, 3):
        return [4 * (after[3] + 2)] if isinstance(after[3], int) else []  # a row of zeros
    return [_SEGMENT]


def is_dense(graph: OpGraph, op: Op) -> bool:
    """Whether a convolution's result is as high and wide as its input: a stride of 1, and padding for the window."""
    before, after = _borders(graph, op)
    return before[2:] == after[2:] != ()


def _borders(graph: OpGraph, op: Op) -> tuple[tuple[int | str, ...], ...]:
    """Shapes of the first input and output; empty where unknown."""
    return tuple(next((graph.tensors[n].shape for n in names[:1] if n in graph.tensors), ())
                 for names in (op.inputs, op.outputs))


def unpacked_in_runs(op: Op, weight: Constant) -> bool:
    """Whether an int8 weight is made float32 by a DequantizeLinear in each run: no recurrent kernel takes it."""
    return op.name in ("GRU", "LSTM") and weight.role == "weight" and weight.dtype in ("int8", "uint8")


def bytes_of(graph: OpGraph, name: str) -> int:
    """Of a tensor; 0 where nothing is known of it."""
    return graph.tensors[name].bytes if name in graph.tensors else 0

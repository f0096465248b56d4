"""An OpGraph's operators as rows of a kernel table: which kernel runs each, by kind, shape and dtype."""

from __future__ import annotations

import math

from edgekit.estimate.kernels import Operator
from edgekit.estimate.memory.ort_scratch import is_dense, scratch_of
from edgekit.types.graph import Constant, Op, OpGraph
from edgekit.types.kinds import WEIGHTED_KINDS
from edgekit.types.tensor import TensorSpec, bits_of

__all__ = ["kernel_of", "operators_of"]

# kind -> kernel; those of weights and windows have rules of their own below
_KERNELS: dict[str, str] = {kind: kernel for kernel, kinds in {
    "conv": "conv", "depthwise": "depthwise_conv", "conv_transpose": "conv_transpose", "gemm": "linear",
    "matmul": "matmul", "rnn": "rnn",
    "arithmetic": "add sub mul div compare where batch_norm prelu",
    # of loops and others nothing is known but what they read and write
    "elementwise": "abs neg minmax relu leaky_relu cast sqrt rsqrt hard_sigmoid loop other",
    "transcendental": "pow exp log sin cos sigmoid tanh silu elu", "gelu": "gelu erf",
    "hard_swish": "hard_swish", "softmax": "softmax", "layer_norm": "layer_norm group_norm",
    "max_pool": "max_pool", "avg_pool": "avg_pool", "mean": "mean", "reduce": "reduce cumsum", "argmax": "argmax",
    "sort": "topk sort", "pad": "pad", "concat": "concat split", "slice": "slice",
    "copy": "reshape expand scatter constant", "transpose": "transpose",
    "gather": "embedding gather", "resize": "resize", "resize_nearest": "resize_nearest",
    "quantize": "quantize requantize dequantize"}.items() for kind in kinds.split()}
# dtype of the computation -> the suffix; what is not named counts as float32: 32 and 64-bit integers
_DTYPES = {"float16": "float16", "bfloat16": "float16", "int8": "int8", "uint8": "int8", "bool": "int8", "int4": "int8",
           "uint4": "int8", "int16": "int16", "uint16": "int16"}
_NARROW = frozenset({"int8", "uint8", "int4", "uint4"})
# Where the height and width of a filter stand in its shape.
_WINDOW = {"tflite": slice(1, 3), "executorch": slice(1, 3), "onnx": slice(2, None)}
_NAMED_WINDOWS: dict[tuple[int, ...], str] = {(3, 3): "3x3", (5, 5): "5x5"}
_IMAGE = 4  # fewer input channels: the first convolution, of which kernels fill tiles of channels
# Output channels that a kernel computes at once: it spends as much on a tile that is not full.
_TILES = {("tflite", "int8"): 16, ("tflite", "int8d"): 16, ("executorch", "int8"): 16, ("executorch", "int8d"): 16}
_TILED = ("gemm", "conv", "linear", "pixel", "image")
# Channels that each result of a depthwise convolution costs beside its own: finding its window.
_PIXEL = 9
# Kernels that go through their result by rows of its last dimension.
_BY_ROWS = ("max_pool", "pad", "slice", "transpose_rows")
_ODD = 8  # output channels that this does not divide take other, slower kernels
# Kernels that make each result from the values at its own place.
_OF_VALUES = ("arithmetic", "elementwise", "transcendental", "gelu", "hard_swish")
# Operators that pass on the same bytes under another shape, and copy nothing.
_VIEWS = frozenset({("onnx", "Reshape"), ("onnx", "Flatten"), ("onnx", "Squeeze"), ("onnx", "Unsqueeze"),
                    ("onnx", "Identity"), ("executorch", "executorch_prim::et_view")})
# What runs an operator in place of the runtime's fast kernels.
_SLOW = ("portable", "builtin")


def operators_of(graph: OpGraph) -> list[tuple[Op, Operator]]:
    """What executes, in order.

    Left out: views, what has only constants to work on (done at loading), and what XNNPACK does within a convolution.
    """
    reader = _Reader(graph)
    return [(op, reader.operator(op)) for op in graph.ops
            if reader.computed(op) and not reader.fused(op) and (graph.format, op.name) not in _VIEWS]


def kernel_of(kind: str) -> str:
    """The kernel of a kind before shapes tell more. Raises KeyError for no kind of ``types.kinds``."""
    return _KERNELS[kind]


class _Reader:
    def __init__(self, graph: OpGraph) -> None:
        self._graph, self._onnx = graph, graph.format == "onnx"
        self._made = {name for op in graph.ops for name in op.outputs}
        self._constants = {c.name for op in graph.ops for c in op.constants}
        self._borders = {(spec.shape, spec.dtype) for spec in graph.inputs}
        self._readers: dict[str, list[Op]] = {}
        for op in graph.ops:
            for name in op.inputs:
                self._readers.setdefault(name, []).append(op)
        # in order of execution: what only constants feed is itself one
        self._unpacked: set[str] = set()
        for op in graph.ops:
            if not self._changing(op):
                self._unpacked.update(op.outputs)
        self._within = {op.outputs[0]: self._changing(op)[0] for op in graph.ops if self.fused(op)}

    def computed(self, op: Op) -> tuple[str, ...]:
        """The inputs that change from call to call, each once; of operators done within this one, theirs."""
        found = []
        for name in self._changing(op):
            while name in self._within:
                name = self._within[name]
            found.append(name)
        return tuple(dict.fromkeys(found))

    def fused(self, op: Op) -> bool:
        """What XNNPACK does within the next operator: zeros around an image that a convolution adds as it reads it, and
        int8 functions of one value, which become one table of 256 results."""
        readers = self._readers.get(op.outputs[0], []) if op.outputs else []
        inputs = self._changing(op)
        if op.processor != "xnnpack" or not readers or len(inputs) != 1:
            return False
        if op.kind == "pad":
            return all(one.kind in ("conv", "depthwise_conv") and one.processor == "xnnpack" for one in readers)
        return _tabled(op) and all(_tabled(one) and {*self._changing(one)} <= {op.outputs[0], inputs[0]}
                                   for one in readers)

    def _changing(self, op: Op) -> tuple[str, ...]:
        """A .tflite names its constants among an operator's inputs."""
        return tuple(name for name in op.inputs if self._changes(name))

    def _changes(self, name: str) -> bool:
        if name in self._made:
            return name not in self._unpacked
        spec = self._graph.tensors.get(name)  # a border may have another name there
        return name not in self._constants and spec is not None and (spec.shape, spec.dtype) in self._borders

    def operator(self, op: Op) -> Operator:
        weights = [c for c in op.constants if c.role == "weight"] if op.kind in WEIGHTED_KINDS else []
        held = sum(math.prod(c.shape) for c in weights)
        dtype, kernel = self._dtype(op, weights), self._kernel(op, weights)
        inputs, outputs = self._sizes(op, self.computed(op)), self._sizes(op, op.outputs)
        read, macs, calls, rows = sum(n for n, _ in inputs), float(op.macs), 0.0, 0.0
        if kernel == "quantize":  # in XNNPACK as much from floats as to them
            kernel, dtype = ("quantize", "float32") if self._floats(op) else ("requantize", "int8")
            kernel = op.kind if self._onnx else kernel
        if kernel.startswith("depthwise") and weights:
            channels = weights[0].shape[0 if self._onnx else -1]
            if self._onnx and dtype in ("float32", "int32"):
                read, calls = 0, channels  # what is read grows with the results
            else:
                macs *= 1 + _PIXEL / channels
        if dtype == "int8w":  # each is made float32 in each run
            read, calls = 0, held
        if kernel == "broadcast":
            calls = self._rows(op)
        if kernel in _BY_ROWS:
            calls = outputs[0][0] / self._width(op)
        if weights and kernel in (*_TILED, "rnn"):
            rows = op.macs / held
        if weights and kernel in _TILED and (channels := self._channels(op, weights[0])):
            tile = _TILES.get((self._graph.format, dtype), 1)
            macs *= -(-channels // tile) * tile / channels
            kernel += "_odd" if channels % _ODD else ""
        return Operator(
            kernel=".".join((kernel, dtype, *((op.processor,) if op.processor in _SLOW else ()))), macs=macs,
            inputs=read, outputs=sum(n for n, _ in outputs), rows=rows, calls=calls,
            input_bytes=sum(size for _, size in inputs), output_bytes=sum(size for _, size in outputs),
            weight_bytes=0 if op.kind == "embedding" else sum(_bytes(c, dtype) for c in weights),
            scratch_bytes=sum(scratch_of(self._graph, op)) if self._onnx else 0)

    def _kernel(self, op: Op, weights: list[Constant]) -> str:
        kernel = kernel_of(op.kind)
        if _tabled(op) and any(name in self._within for name in self._changing(op)):
            return "table"
        if kernel == "arithmetic":
            sizes = [n for n, _ in self._sizes(op, self.computed(op))]
            return "arithmetic_constant" if len(sizes) == 1 else "broadcast" if len(set(sizes)) > 1 else kernel
        if kernel == "concat" and not self._onnx:
            return "copy"
        if kernel == "transpose":
            named = [n for n in (*self.computed(op), *op.outputs) if n in self._graph.tensors]
            last = {self._graph.tensors[n].shape[-1:] for n in named}
            return "transpose_rows" if len(last) == 1 else kernel  # whole rows move, or single values
        if not weights or not op.macs:
            return "matmul" if op.kind == "linear" else kernel
        weight = weights[0]
        window = weight.shape[_WINDOW[self._graph.format]] if op.kind in ("conv", "depthwise_conv") else ()
        if kernel == "depthwise":
            name = kernel + _NAMED_WINDOWS.get(tuple(window), "")
            # ONNX Runtime's kernel of 3 x 3 takes no stride
            strided = self._onnx and name == "depthwise3x3" and not is_dense(self._graph, op)
            return f"{name}_strided" if strided else name
        if kernel == "conv" and math.prod(window) > 1:
            channels = math.prod(weight.shape) // weight.shape[0] // math.prod(window)
            return "image" if channels < _IMAGE else kernel
        if kernel in ("conv", "gemm", "matmul"):  # one row: every weight is read for one product
            if op.macs > sum(math.prod(c.shape) for c in weights):
                return "gemm"
            # of one pixel; ONNX Runtime's convolutions are products of their filters with a column
            return "pixel" if self._onnx and op.kind == "conv" else "linear"
        return kernel

    def _channels(self, op: Op, weight: Constant) -> int:
        """Output channels; 0 where the result's shape is unknown."""
        if op.kind == "conv":
            return weight.shape[0]
        result = self._graph.tensors.get(op.outputs[0])
        last = result.shape[-1] if result is not None and result.shape else 0
        return last if isinstance(last, int) else 0

    def _dtype(self, op: Op, weights: list[Constant]) -> str:
        """The suffix; ``int8d``: integer products of floats that are quantised as they come."""
        dtype = _DTYPES.get(op.dtype, "float32")
        if not weights or weights[0].dtype not in _NARROW or op.kind == "embedding":
            return dtype
        if dtype == "int8":
            out = self._graph.tensors.get(op.outputs[0])
            if out is not None and out.dtype == "int32":
                return "int32"  # sums that other operators scale
            return "int8d" if out is not None and out.dtype.startswith("float") else dtype
        if self._onnx:  # other floats unpack their weights
            return "int8d" if op.name == "MatMulNBits" else "int8w" if op.kind == "rnn" else dtype
        return dtype if dtype == "int16" or self._unpacked & set(op.inputs) else "int8d"

    def _rows(self, op: Op) -> float:
        """Stretches of the result in which the smaller operand is whole, or one value: each is a call of the kernel."""
        known = [self._graph.tensors[n] for n in (*self.computed(op), *op.outputs) if n in self._graph.tensors]
        small, whole = (f(known, key=lambda spec: spec.elements) for f in (min, max))
        inner, of_one = 1, None
        for d, own in zip(reversed(whole.shape), (*reversed(small.shape), *(1,) * len(whole.shape)), strict=False):
            if d != 1 and of_one not in (None, own == 1):
                break
            inner, of_one = inner * (d if isinstance(d, int) else 1), of_one if d == 1 else own == 1
        return whole.elements / inner

    def _width(self, op: Op) -> int:
        """The last dimension of the result."""
        spec = self._graph.tensors.get(op.outputs[0])
        last = spec.shape[-1] if spec is not None and spec.shape else 1
        return last if isinstance(last, int) and last else 1

    def _floats(self, op: Op) -> bool:
        specs = [self._graph.tensors[name] for name in (*self.computed(op), *op.outputs) if name in self._graph.tensors]
        return any(spec.dtype.startswith("float") for spec in specs)

    def _sizes(self, op: Op, names: tuple[str, ...]) -> list[tuple[int, int]]:
        """Elements and bytes of each tensor; one of unknown shape counts as the operator's largest."""
        known = [self._graph.tensors[n] for n in (*op.inputs, *op.outputs) if n in self._graph.tensors]
        largest = max(known, key=lambda spec: spec.elements, default=TensorSpec(name="", shape=(), dtype=op.dtype))
        found = [self._graph.tensors.get(name, largest) for name in names]
        return [(spec.elements, spec.bytes) for spec in found]


def _tabled(op: Op) -> bool:
    return op.processor == "xnnpack" and op.dtype in ("int8", "uint8") and kernel_of(op.kind) in _OF_VALUES


def _bytes(weight: Constant, dtype: str) -> float:
    """Bytes of a weight as the kernel reads it: narrow ones as stored, others in the computation's dtype."""
    bits = bits_of(dtype) if dtype in ("float16", "float32") else bits_of(weight.dtype)
    return math.prod(weight.shape) * bits / 8

"""What a ``.pte`` will execute: portable kernel calls and, inside the delegate calls, XNNPACK's own operators."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgekit.formats.executorch.description import Description
from edgekit.formats.executorch.kinds import kind_of_kernel
from edgekit.formats.executorch.pte import PteContents, open_pte
from edgekit.formats.executorch.xnn import Delegate
from edgekit.types.graph import Constant, Op, OpGraph
from edgekit.types.tensor import TensorSpec

__all__ = ["PORTABLE", "read_graph"]

# Prefix of the names of constants that portable kernels read; the rest is the digest of their bytes.
PORTABLE = "portable:"

# exir/scalar_type.py
_DTYPES = {0: "uint8", 1: "int8", 2: "int16", 3: "int32", 4: "int64", 5: "float16", 6: "float32", 7: "float64",
           11: "bool", 15: "bfloat16", 27: "uint16", 28: "uint32", 29: "uint64"}
# Position of the weight and the bias among a kernel's arguments.
_WEIGHTS = {"convolution": (1, 2), "linear": (1, 2), "addmm": (2, 0), "mm": (1, None), "bmm": (1, None),
            "embedding": (0, None), "embedding_byte": (0, None), "embedding_4bit": (0, None)}
# Only a new shape for the same bytes: nothing runs.
_VIEW = "executorch_prim::et_view"


def read_graph(path: Path) -> OpGraph:
    """The OpGraph of a ``.pte``. Raises UsageError and ConversionError as :func:`open_pte` does."""
    return _Reader(open_pte(path)).graph()


class _Reader:
    def __init__(self, contents: PteContents) -> None:
        self.plan, self.contents = contents.plan, contents
        self.description: Description | None = contents.description
        self.portable_asked = self.description is not None and self.description.backend == "portable"
        self.tensors: dict[str, TensorSpec] = {}
        self.ops: list[Op] = []
        self.known = {i for i in self.plan.inputs} | {i for i, v in enumerate(self.plan.values) if self._constant(v)}
        self.seen: dict[str, int] = defaultdict(int)

    def graph(self) -> OpGraph:
        for chain in self.plan.chains:
            for instruction in chain.instructions:
                call = instruction.instr_args
                if hasattr(call, "op_index"):
                    self._kernel(call)
                elif hasattr(call, "delegate_index"):
                    self._delegate(call)
        return OpGraph(format="executorch", ops=tuple(self.ops), tensors=self.tensors,
                       inputs=self._border(self.plan.inputs, "inputs"),
                       outputs=self._border(self.plan.outputs, "outputs"))

    def _border(self, ids: list[int], side: str) -> tuple[TensorSpec, ...]:
        if self.description is not None:
            return getattr(self.description, side)
        return tuple(self._spec(i) for i in ids if hasattr(self.plan.values[i].val, "sizes"))

    def _kernel(self, call: Any) -> None:
        operator = self.plan.operators[call.op_index]
        name, position = operator.name, self.seen[operator.name]
        self.seen[name] += 1
        arguments = [list(self._tensor_ids(i)) for i in call.args]
        flat = [i for ids in arguments for i in ids]
        outputs = list(dict.fromkeys(i for i in flat if i not in self.known))
        inputs = list(dict.fromkeys(i for i in flat if i in self.known and not self._constant(self.plan.values[i])))
        self.known.update(outputs)
        source, said = self._described(name, position)
        delegated = self.portable_asked or name == _VIEW
        specs = [self._spec(i) for i in inputs]
        kind = self._kind(name, call.args, arguments)
        self.ops.append(Op(
            index=len(self.ops), kind=kind, name=name,
            inputs=tuple(s.name for s in specs),
            outputs=tuple(self._spec(i).name for i in outputs), dtype=specs[0].dtype if specs else "float32",
            macs=self._macs(name, kind, arguments, outputs), constants=tuple(self._constants(name, arguments)),
            source=source, processor="portable", delegated=delegated,
            reason=None if delegated else _reason(name, [s.dtype for s in specs], said)))

    def _delegate(self, call: Any) -> None:
        graph = self.contents.delegates.get(call.delegate_index)
        if graph is None:
            return
        names = [self._spec(i).name for i in call.args]
        delegate = Delegate(call.delegate_index, graph, names, self.description)
        self.known.update(call.args)
        self.tensors |= {n: s for n, s in delegate.tensors.items() if n not in self.tensors}
        for op in delegate.ops(len(self.ops)):
            self.ops.append(op)

    def _described(self, name: str, position: int) -> tuple[Any, str | None]:
        rows = self.description.portable.get(name, []) if self.description is not None else []
        if self.description is None or position >= len(rows):
            return None, None
        index, reason = rows[position]
        return self.description.source(index), reason

    def _kind(self, name: str, raw: list[int], arguments: list[list[int]]) -> str:
        kind = kind_of_kernel(name)
        if kind != "conv" or len(raw) < 7:
            return kind
        if getattr(self.plan.values[raw[6]].val, "bool_val", False):
            return "conv_transpose"
        channels, weight = self._sizes(arguments[0][0]), self._sizes(arguments[1][0])
        return "depthwise_conv" if weight[1] == 1 and channels[1] > 1 else "conv"

    def _macs(self, name: str, kind: str, arguments: list[list[int]], outputs: list[int]) -> int:
        short = name.rpartition("::")[2]
        if short not in ("convolution", "linear", "addmm", "mm", "bmm") or not outputs:
            return 0
        out = math.prod(self._sizes(outputs[0]))
        if short == "convolution":
            if kind == "conv_transpose":  # every input element meets every tap of every output channel
                out = math.prod(self._sizes(arguments[0][0]))
            return out * math.prod(self._sizes(arguments[1][0])[1:])
        inner = self._sizes(arguments[1 if short == "addmm" else 0][0])
        return out * (inner[-1] if inner else 1)

    def _constants(self, name: str, arguments: list[list[int]]) -> Iterator[Constant]:
        weight, bias = _WEIGHTS.get(name.rpartition("::")[2], (None, None))
        for position, ids in enumerate(arguments):
            for i in ids:
                value = self.plan.values[i]
                if self._constant(value):
                    role = "weight" if position == weight else "bias" if position == bias else "other"
                    spec = _tensor_spec("", value.val)
                    yield Constant(name=PORTABLE + self._digest(value.val.data_buffer_idx, spec.bytes),
                                   shape=value.val.sizes, dtype=spec.dtype, bytes=spec.bytes, role=role)

    def _digest(self, buffer: int, size: int) -> str:
        """The name that XNNPACK's serialiser gives the same bytes."""
        return hashlib.sha256(self.contents.program.constant_buffer[buffer].storage[:size]).hexdigest()

    def _tensor_ids(self, i: int) -> Iterator[int]:
        value = self.plan.values[i].val
        if hasattr(value, "sizes"):
            yield i
        elif type(value).__name__ in ("TensorList", "OptionalTensorList"):
            for item in value.items:
                if item >= 0:
                    yield from self._tensor_ids(item)

    def _constant(self, value: Any) -> bool:
        tensor = value.val
        return hasattr(tensor, "sizes") and tensor.data_buffer_idx > 0 and tensor.allocation_info is None

    def _sizes(self, i: int) -> list[int]:
        return list(self.plan.values[i].val.sizes)

    def _spec(self, i: int) -> TensorSpec:
        spec = _tensor_spec(f"v{i}", self.plan.values[i].val)
        return self.tensors.setdefault(spec.name, spec)


def _tensor_spec(name: str, tensor: Any) -> TensorSpec:
    return TensorSpec(name=name, shape=tuple(tensor.sizes), dtype=_DTYPES.get(int(tensor.scalar_type), "float32"))


def _reason(name: str, dtypes: list[str], said: str | None) -> str:
    """Why XNNPACK does not run an operator: what its partitioner said, or what can be told from the operator."""
    if said is not None and said != "invalid dtype":
        return said
    other = [d for d in dtypes if d not in ("float32", "float16", "int8")]
    if other:
        return f"XNNPACK computes in float and int8, not in {other[0]}"
    return f"XNNPACK has no kernel for {name} in this form"

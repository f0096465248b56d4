"""OpGraph: what the runtime will really execute, read back from the artifact."""

from __future__ import annotations

from edgekit.types.base import Data
from edgekit.types.tensor import TensorSpec

__all__ = ["Constant", "Op", "OpGraph", "Source"]


class Source(Data):
    """Where an operator comes from in the user's model: module path (``blocks.3.conv``) and, if known, file:line."""

    module: str
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        at = f" ({self.file}:{self.line})" if self.file else ""
        return f"{self.module or '<top>'}{at}"


class Constant(Data):
    """A weight or other constant that an operator reads: its stored dtype and size.

    ``role`` is ``weight`` for what a scheme covers, ``bias``, or ``other`` (shapes, scales, lookup tables).
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int
    role: str = "weight"


class Op(Data):
    """One executed operator. ``kind`` is from ``edgekit.types.kinds``; ``name`` is the format's own operator name.

    ``dtype`` is that of the computation's inputs. ``processor`` is the delegate or kernel set that runs it (for
    example ``xnnpack`` or ``portable``); ``reason`` says why it is not on the one that was asked for.
    """

    index: int
    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    dtype: str
    macs: int = 0
    constants: tuple[Constant, ...] = ()
    source: Source | None = None
    processor: str = "cpu"
    delegated: bool = True
    reason: str | None = None

    @property
    def weight_bytes(self) -> int:
        return sum(c.bytes for c in self.constants)


class OpGraph(Data):
    """Operators in order of execution, with every tensor they name."""

    format: str
    ops: tuple[Op, ...]
    tensors: dict[str, TensorSpec]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @property
    def macs(self) -> int:
        return sum(op.macs for op in self.ops)

    @property
    def macs_delegated_share(self) -> float | None:
        """Share of multiply-accumulates that the delegate runs, 0 to 1; None where the graph has none."""
        return sum(op.macs for op in self.ops if op.delegated) / self.macs if self.macs else None

    def activations(self) -> list[TensorSpec]:
        """What operators make, each once."""
        made = dict.fromkeys(name for op in self.ops for name in op.outputs)
        return [self.tensors[name] for name in made if name in self.tensors]

    def output_bytes(self, op: Op) -> int:
        """Bytes of what ``op`` makes."""
        return sum(self.tensors[name].bytes for name in op.outputs if name in self.tensors)

    def weight_bytes_by_dtype(self) -> dict[str, int]:
        """Bytes of all distinct constants by stored dtype."""
        seen: dict[str, Constant] = {c.name: c for op in self.ops for c in op.constants}
        total: dict[str, int] = {}
        for c in seen.values():
            total[c.dtype] = total.get(c.dtype, 0) + c.bytes
        return dict(sorted(total.items()))

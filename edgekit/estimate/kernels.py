"""What a runtime's kernels execute, by operator: fitted to counted operators, stored in device_profiles/kernels/."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from edgekit.estimate.price import LINE_BYTES, Misses, Work
from edgekit.estimate.timing import Group

__all__ = ["Kernel", "KernelTable", "Operator", "lost", "work_of"]

Text = Annotated[str, StringConstraints(min_length=1)]


@dataclass(frozen=True)
class Operator:
    """One executed operator. ``inputs`` and ``outputs`` count elements; ``kernel`` names a row of the table.

    ``calls``: of the inner kernel, where one operator is many: a channel, a row, a weight that is unpacked.
    ``regions``: how often it starts and ends the threads. ``rows`` of a product that go through its weights.
    ``scratch_bytes``: what the kernel writes for itself and reads again.
    """

    kernel: str
    macs: float
    inputs: float
    outputs: float
    input_bytes: float
    output_bytes: float
    weight_bytes: float
    regions: float = 1
    rows: float = 0
    scratch_bytes: float = 0
    calls: float = 0


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Kernel(_Part):
    """Executed instructions and first-level misses of one kind of operator, as sums of what grows with its shape."""

    mac: float = Field(ge=0, description="instructions for each multiply-accumulate")
    input: float = Field(ge=0, description="instructions for each input element")
    output: float = Field(ge=0, description="instructions for each output element")
    operator: float = Field(ge=0, description="instructions for each operator")
    call: float = Field(default=0.0, ge=0, description="instructions for each call of the inner kernel")
    mix: dict[Group, float] = Field(description="shares of the instructions by group; they sum to 1")
    input_passes: float = Field(ge=0, description="how often the first cache fetches the inputs")
    output_passes: float = Field(ge=0, description="and the outputs")
    weight_passes: float = Field(ge=0, description="and the weights")
    row_passes: float = Field(default=0.0, ge=0, description="and the weights again for each row of the product, where "
                                                             "it cannot hold them")
    streamed: float = Field(ge=0, le=1, description="share of these misses that continue a stream")
    moves: float = Field(default=1.0, ge=0, description="how often inputs and outputs pass a further cache that cannot "
                                                        "hold them: more than once where they are copied first")


class KernelTable(_Part):
    """The kernels that a runtime chooses on cores with the same instructions."""

    runtime: Text
    core: Text = Field(description="the core model that they were counted on")
    kernels: dict[Text, Kernel]
    spread: float = Field(gt=0, description="half of the 90 % interval of ln(instructions by these / by the emulator)")
    provenance: dict[Text, Text]


def work_of(op: Operator, kernel: Kernel, caches: Sequence[float], network_bytes: float) -> Work:
    """What ``op`` executes, with ``caches`` of these bytes, the first level first.

    A further cache gives again what it still holds. Weights return after the whole inference, so it holds them by its
    size against ``network_bytes``, all the weights. Inputs were written by the operator before, so it holds them by its
    size against what one operator touches.
    """
    count = (kernel.mac * op.macs + kernel.input * op.inputs + kernel.output * op.outputs + kernel.operator
             + kernel.call * op.calls)
    nearest, *further = caches
    again = kernel.row_passes * op.rows * lost(op.weight_bytes, nearest)
    first = (kernel.input_passes * op.input_bytes + kernel.output_passes * op.output_bytes
             + (kernel.weight_passes + again) * op.weight_bytes) / LINE_BYTES
    lines = [first]
    touched = op.input_bytes + op.output_bytes + op.weight_bytes + op.scratch_bytes
    for size in further:
        moved = (op.weight_bytes * lost(network_bytes, size)
                 + (kernel.moves * (op.input_bytes + op.output_bytes) + 2 * op.scratch_bytes) * lost(touched, size)
                 ) / LINE_BYTES
        lines.append(min(moved, lines[-1]))
    return Work({group: share * count for group, share in kernel.mix.items()},
                tuple(Misses(n, n * kernel.streamed) for n in lines), op.regions)


def lost(used: float, size: float) -> float:
    """Share of data that a cache of ``size`` no longer holds after ``used`` bytes passed through it."""
    return used * used / (used * used + size * size)
